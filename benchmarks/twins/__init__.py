"""Examples of the gallery written by hand in torch, trained on the same data, and judged by the same figure."""
