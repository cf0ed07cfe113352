"""From Verilog to an FPGA: devices and synthesis."""
