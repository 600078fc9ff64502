"""Where ONNX Runtime's CUDA provider puts the nodes of a file, and what is copied to and from the device for that."""
