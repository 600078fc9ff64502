"""Tensors and batches of which each of several processes has a part."""
