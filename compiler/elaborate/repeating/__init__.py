"""Calls that are alike, and turns: the first one is elaborated, and the others repeat its nodes, in any graph of the file."""
