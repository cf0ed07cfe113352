// Simulation models of the ECP5 blocks of which yosys knows the ports alone, after Lattice's technical notes
// FPGA-TN-02204 (memory) and FPGA-TN-02205 (sysDSP), for what amarray uses of them: one clock, no cascades.

// True dual-port block RAM of 1024 x 18 bits. An 18-bit word has two bytes of 9 bits; ports of 1, 2 and 4 bits
// see 8 bits of each. A read port of 36 bits (port B) gives its lower half on DOA.
module DP16KD (
  input CLKA, WEA, CEA, OCEA, RSTA, CSA0, CSA1, CSA2,
  input ADA0, ADA1, ADA2, ADA3, ADA4, ADA5, ADA6, ADA7, ADA8, ADA9, ADA10, ADA11, ADA12, ADA13,
  input DIA0, DIA1, DIA2, DIA3, DIA4, DIA5, DIA6, DIA7, DIA8, DIA9, DIA10, DIA11, DIA12, DIA13, DIA14, DIA15, DIA16, DIA17,
  output DOA0, DOA1, DOA2, DOA3, DOA4, DOA5, DOA6, DOA7, DOA8, DOA9, DOA10, DOA11, DOA12, DOA13, DOA14, DOA15, DOA16, DOA17,
  input CLKB, WEB, CEB, OCEB, RSTB, CSB0, CSB1, CSB2,
  input ADB0, ADB1, ADB2, ADB3, ADB4, ADB5, ADB6, ADB7, ADB8, ADB9, ADB10, ADB11, ADB12, ADB13,
  input DIB0, DIB1, DIB2, DIB3, DIB4, DIB5, DIB6, DIB7, DIB8, DIB9, DIB10, DIB11, DIB12, DIB13, DIB14, DIB15, DIB16, DIB17,
  output DOB0, DOB1, DOB2, DOB3, DOB4, DOB5, DOB6, DOB7, DOB8, DOB9, DOB10, DOB11, DOB12, DOB13, DOB14, DOB15, DOB16, DOB17
);
  parameter DATA_WIDTH_A = 18, DATA_WIDTH_B = 18;
  parameter REGMODE_A = "NOREG", REGMODE_B = "NOREG", RESETMODE = "SYNC", ASYNC_RESET_RELEASE = "SYNC";
  parameter CSDECODE_A = "0b000", CSDECODE_B = "0b000", WRITEMODE_A = "NORMAL", WRITEMODE_B = "NORMAL";
  parameter CLKAMUX = "CLKA", CLKBMUX = "CLKB", GSR = "ENABLED";
  parameter [319:0] INITVAL_00 = 320'b0, INITVAL_01 = 320'b0, INITVAL_02 = 320'b0, INITVAL_03 = 320'b0;
  parameter [319:0] INITVAL_04 = 320'b0, INITVAL_05 = 320'b0, INITVAL_06 = 320'b0, INITVAL_07 = 320'b0;
  parameter [319:0] INITVAL_08 = 320'b0, INITVAL_09 = 320'b0, INITVAL_0A = 320'b0, INITVAL_0B = 320'b0;
  parameter [319:0] INITVAL_0C = 320'b0, INITVAL_0D = 320'b0, INITVAL_0E = 320'b0, INITVAL_0F = 320'b0;
  parameter [319:0] INITVAL_10 = 320'b0, INITVAL_11 = 320'b0, INITVAL_12 = 320'b0, INITVAL_13 = 320'b0;
  parameter [319:0] INITVAL_14 = 320'b0, INITVAL_15 = 320'b0, INITVAL_16 = 320'b0, INITVAL_17 = 320'b0;
  parameter [319:0] INITVAL_18 = 320'b0, INITVAL_19 = 320'b0, INITVAL_1A = 320'b0, INITVAL_1B = 320'b0;
  parameter [319:0] INITVAL_1C = 320'b0, INITVAL_1D = 320'b0, INITVAL_1E = 320'b0, INITVAL_1F = 320'b0;
  parameter [319:0] INITVAL_20 = 320'b0, INITVAL_21 = 320'b0, INITVAL_22 = 320'b0, INITVAL_23 = 320'b0;
  parameter [319:0] INITVAL_24 = 320'b0, INITVAL_25 = 320'b0, INITVAL_26 = 320'b0, INITVAL_27 = 320'b0;
  parameter [319:0] INITVAL_28 = 320'b0, INITVAL_29 = 320'b0, INITVAL_2A = 320'b0, INITVAL_2B = 320'b0;
  parameter [319:0] INITVAL_2C = 320'b0, INITVAL_2D = 320'b0, INITVAL_2E = 320'b0, INITVAL_2F = 320'b0;
  parameter [319:0] INITVAL_30 = 320'b0, INITVAL_31 = 320'b0, INITVAL_32 = 320'b0, INITVAL_33 = 320'b0;
  parameter [319:0] INITVAL_34 = 320'b0, INITVAL_35 = 320'b0, INITVAL_36 = 320'b0, INITVAL_37 = 320'b0;
  parameter [319:0] INITVAL_38 = 320'b0, INITVAL_39 = 320'b0, INITVAL_3A = 320'b0, INITVAL_3B = 320'b0;
  parameter [319:0] INITVAL_3C = 320'b0, INITVAL_3D = 320'b0, INITVAL_3E = 320'b0, INITVAL_3F = 320'b0;
  localparam [20479:0] INIT = {
    INITVAL_3F, INITVAL_3E, INITVAL_3D, INITVAL_3C, INITVAL_3B, INITVAL_3A, INITVAL_39, INITVAL_38,
    INITVAL_37, INITVAL_36, INITVAL_35, INITVAL_34, INITVAL_33, INITVAL_32, INITVAL_31, INITVAL_30,
    INITVAL_2F, INITVAL_2E, INITVAL_2D, INITVAL_2C, INITVAL_2B, INITVAL_2A, INITVAL_29, INITVAL_28,
    INITVAL_27, INITVAL_26, INITVAL_25, INITVAL_24, INITVAL_23, INITVAL_22, INITVAL_21, INITVAL_20,
    INITVAL_1F, INITVAL_1E, INITVAL_1D, INITVAL_1C, INITVAL_1B, INITVAL_1A, INITVAL_19, INITVAL_18,
    INITVAL_17, INITVAL_16, INITVAL_15, INITVAL_14, INITVAL_13, INITVAL_12, INITVAL_11, INITVAL_10,
    INITVAL_0F, INITVAL_0E, INITVAL_0D, INITVAL_0C, INITVAL_0B, INITVAL_0A, INITVAL_09, INITVAL_08,
    INITVAL_07, INITVAL_06, INITVAL_05, INITVAL_04, INITVAL_03, INITVAL_02, INITVAL_01, INITVAL_00
  };

  reg [17:0] words [0:1023];
  integer i;
  initial for (i = 0; i < 1024; i = i + 1) words[i] = INIT[20 * i +: 18];

  wire [13:0] ada = {ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5, ADA4, ADA3, ADA2, ADA1, ADA0};
  wire [13:0] adb = {ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5, ADB4, ADB3, ADB2, ADB1, ADB0};
  wire [17:0] dia = {DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11, DIA10, DIA9, DIA8, DIA7, DIA6, DIA5, DIA4, DIA3, DIA2, DIA1, DIA0};
  wire [17:0] dib = {DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9, DIB8, DIB7, DIB6, DIB5, DIB4, DIB3, DIB2, DIB1, DIB0};

  // Place of a port's data in its word: bytes by address bit 3, then nibbles, pairs and bits of 8.
  function [4:0] place(input integer width, input [3:0] low);
    place = (width <= 9 ? 9 * low[3] : 0) + (width <= 4 ? 4 * low[2] : 0) + (width <= 2 ? 2 * low[1] : 0)
      + (width == 1 ? low[0] : 0);
  endfunction
  function [17:0] mask(input integer width);
    mask = 18'h3ffff >> (18 - width);
  endfunction

  reg [17:0] reada = 0, readb = 0, laterb = 0, latera = 0;
  wire [9:0] worda = DATA_WIDTH_A == 36 ? {ada[13:5], 1'b0} : ada[13:4];
  wire [9:0] wordb = DATA_WIDTH_B == 36 ? {adb[13:5], 1'b0} : adb[13:4];
  wire [17:0] bytesa = {{9{ada[1]}}, {9{ada[0]}}}, bytesb = {{9{adb[1]}}, {9{adb[0]}}};
  wire [17:0] wide = {{9{ada[3]}}, {9{ada[2]}}};
  wire [17:0] writea = DATA_WIDTH_A >= 18 ? bytesa : mask(DATA_WIDTH_A) << place(DATA_WIDTH_A, ada[3:0]);
  wire [17:0] writeb = DATA_WIDTH_B >= 18 ? bytesb : mask(DATA_WIDTH_B) << place(DATA_WIDTH_B, adb[3:0]);
  wire [17:0] shifteda = DATA_WIDTH_A >= 18 ? dia : dia << place(DATA_WIDTH_A, ada[3:0]);
  wire [17:0] shiftedb = DATA_WIDTH_B >= 18 ? dib : dib << place(DATA_WIDTH_B, adb[3:0]);
  wire [17:0] founda = DATA_WIDTH_A >= 18 ? words[worda] : words[worda] >> place(DATA_WIDTH_A, ada[3:0]);
  wire [17:0] foundb = DATA_WIDTH_B >= 18 ? words[wordb] : words[wordb] >> place(DATA_WIDTH_B, adb[3:0]);

  // A word of 36 bits is read by the clock of port B, registers included.
  wire clka = DATA_WIDTH_B == 36 ? CLKB : CLKA;
  always @(posedge CLKA) if (CEA & WEA) begin
    words[worda] <= (words[worda] & ~writea) | (shifteda & writea);
    if (DATA_WIDTH_A == 36) words[worda + 1] <= (words[worda + 1] & ~wide) | (dib & wide);
  end
  always @(posedge CLKB) if (CEB & WEB) words[wordb] <= (words[wordb] & ~writeb) | (shiftedb & writeb);
  always @(posedge clka) begin
    if (DATA_WIDTH_B == 36) begin
      if (CEB) reada <= RSTB ? 18'b0 : words[wordb];
    end else if (CEA) reada <= RSTA ? 18'b0 : founda;
    if (OCEA) latera <= reada;
  end
  always @(posedge CLKB) begin
    if (CEB) readb <= RSTB ? 18'b0 : DATA_WIDTH_B == 36 ? words[wordb + 1] : foundb;
    if (OCEB) laterb <= readb;
  end
  assign {DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9, DOA8, DOA7, DOA6, DOA5, DOA4, DOA3, DOA2, DOA1, DOA0}
    = REGMODE_A == "OUTREG" ? latera : reada;
  assign {DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9, DOB8, DOB7, DOB6, DOB5, DOB4, DOB3, DOB2, DOB1, DOB0}
    = REGMODE_B == "OUTREG" ? laterb : readb;
endmodule

// 18 x 18 multiplier; each register is there where its clock is not "NONE".
module MULT18X18D (
  input A17, A16, A15, A14, A13, A12, A11, A10, A9, A8, A7, A6, A5, A4, A3, A2, A1, A0,
  input B17, B16, B15, B14, B13, B12, B11, B10, B9, B8, B7, B6, B5, B4, B3, B2, B1, B0,
  input C17, C16, C15, C14, C13, C12, C11, C10, C9, C8, C7, C6, C5, C4, C3, C2, C1, C0,
  output P35, P34, P33, P32, P31, P30, P29, P28, P27, P26, P25, P24, P23, P22, P21, P20, P19, P18, P17, P16, P15, P14, P13, P12, P11, P10, P9, P8, P7, P6, P5, P4, P3, P2, P1, P0,
  input SIGNEDA, SIGNEDB, SOURCEA, SOURCEB, CLK0, CE0, RST0
);
  parameter REG_INPUTA_CLK = "NONE", REG_INPUTB_CLK = "NONE", REG_PIPELINE_CLK = "NONE", REG_OUTPUT_CLK = "NONE";
  wire [17:0] a = {A17, A16, A15, A14, A13, A12, A11, A10, A9, A8, A7, A6, A5, A4, A3, A2, A1, A0}, b = {B17, B16, B15, B14, B13, B12, B11, B10, B9, B8, B7, B6, B5, B4, B3, B2, B1, B0};
  reg signed [18:0] a_register, b_register;
  reg signed [37:0] between, result;
  wire signed [18:0] a_wide = {SIGNEDA & a[17], a}, b_wide = {SIGNEDB & b[17], b};
  wire signed [18:0] a_used = REG_INPUTA_CLK == "NONE" ? a_wide : a_register;
  wire signed [18:0] b_used = REG_INPUTB_CLK == "NONE" ? b_wide : b_register;
  wire signed [37:0] product = a_used * b_used;
  wire signed [37:0] behind = REG_PIPELINE_CLK == "NONE" ? product : between;
  always @(posedge CLK0) if (CE0) begin
    a_register <= RST0 ? 19'sd0 : a_wide;
    b_register <= RST0 ? 19'sd0 : b_wide;
    between <= RST0 ? 38'sd0 : product;
    result <= RST0 ? 38'sd0 : behind;
  end
  assign {P35, P34, P33, P32, P31, P30, P29, P28, P27, P26, P25, P24, P23, P22, P21, P20, P19, P18, P17, P16, P15, P14, P13, P12, P11, P10, P9, P8, P7, P6, P5, P4, P3, P2, P1, P0} = REG_OUTPUT_CLK == "NONE" ? behind : result;
endmodule
