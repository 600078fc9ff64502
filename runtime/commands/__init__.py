"""The verbs of the command line that need this package alone, one a file. Nothing heavy is imported before use."""
