"""Exports of a quantized network: plain arrays, memory images, C source and ONNX."""
