"""Simulation side of amarray: builds the Verilog, drives it with cocotb or Amaranth, returns numpy."""
