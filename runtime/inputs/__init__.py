"""The inputs of a call: arrays, words of the command line, tables, names of labels."""
