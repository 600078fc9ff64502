"""Text generation against transformers and onnxruntime-genai."""
