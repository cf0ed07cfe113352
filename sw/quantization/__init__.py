"""The quantizer: a float model becomes an integer Network, after training or by training on."""
