"""The learning library: computational graph, layers, losses, optimizers, initializers."""
