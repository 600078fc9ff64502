"""mai: from a text file that says what a model is to one self-contained ONNX file."""

__version__ = "0.10.0"
