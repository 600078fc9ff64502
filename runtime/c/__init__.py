"""Compiled files in C and C++: a header and a few sources over ONNX Runtime's C interface."""
