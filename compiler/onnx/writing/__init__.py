"""The bytes of a file: its weights a tensor at a time, inside or beside, and its manifest last."""
