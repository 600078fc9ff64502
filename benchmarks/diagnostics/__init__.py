"""How good the messages are: the examples with single realistic mistakes, and what `mai check` says of each."""
