"""Software side of amarray: data, learning library, quantizer, Network file and golden model (numpy)."""
