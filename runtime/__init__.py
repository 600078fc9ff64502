"""Running compiled `.onnx` files: numpy, pydantic and onnxruntime only."""
