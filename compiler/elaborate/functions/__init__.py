"""The functions that the language knows: what they ask of their arguments, and what they become."""
