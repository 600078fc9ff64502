"""The verbs of the command line that need the compiler, one a file: arguments, and what is said. Nothing heavy is imported before use."""
