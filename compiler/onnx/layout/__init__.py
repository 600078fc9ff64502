"""The places of nodes and weights in an ONNX model, chosen for ONNX Runtime's speed: chunks, branches, loop bodies."""
