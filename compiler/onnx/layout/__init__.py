"""Where nodes and weights stand in a finished ONNX model, for the runtime's speed: chunks, branches, bodies."""
