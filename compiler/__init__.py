"""Meaning: syntax tree to IR, IR to PyTorch and ONNX."""
