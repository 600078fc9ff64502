"""Passes: graph to graph, one a file. `pipeline` has their order with reasons, `forms` what callers ask for."""
