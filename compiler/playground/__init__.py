"""The checker in a browser: one static page with an editor, a worker with its own Python, diagrams, and what was compiled before."""
