"""Loops that tell what happened in them, and loops played again from that."""
