"""Inputs that several tests go through: cases of operations, draws, texts, data that are refused, small files."""
