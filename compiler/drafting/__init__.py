"""Whole specs for data: `mai new --data FILE --target COLUMN`. What a file holds decides which model is written, and with which sizes."""
