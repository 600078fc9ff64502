"""Passes on growing texts: `extend` becomes a loop over tokens, with a cache, in blocks, or several tokens a turn."""
