"""IR to PyTorch: the only room, with `training`, that imports torch."""
