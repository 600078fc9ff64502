"""IR to ONNX: the only room that imports onnx_ir."""
