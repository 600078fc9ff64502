"""One run: its folder and checkpoints, what it shows and keeps, its processes, and how it ends."""
