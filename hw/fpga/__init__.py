"""From Verilog to an FPGA: devices, synthesis, place and route, bitstreams."""
