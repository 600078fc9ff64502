"""A prepared graph becomes an onnx_ir model: operators, loops, recurrences."""
