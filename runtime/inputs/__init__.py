"""What a caller hands in: arrays, words of the command line, tables, labels."""
