"""What `integrate` may say beside its equations: a solver, a grid, noises, an event, what is kept."""
