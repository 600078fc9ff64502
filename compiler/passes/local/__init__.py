"""Passes that look at a few neighbouring nodes: constants, equal nodes, dead nodes, fused and split products."""
