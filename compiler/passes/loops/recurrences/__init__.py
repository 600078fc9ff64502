"""Loops whose states enter their own updates affinely, found, for lowerings by blocks of turns."""
