"""Which tensors of a file are meant for which parameters, where no rule says it: by shapes, names and order."""
