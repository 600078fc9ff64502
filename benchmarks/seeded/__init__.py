"""Faults sown into passes and solvers, and whether the claims of the gallery see them."""
