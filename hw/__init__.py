"""Hardware side of amarray: the accelerator in Amaranth, its compiler, Verilog export and the FPGA flow."""
