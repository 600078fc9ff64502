"""Training data: what a `data` line may name, its shapes before it is read, its examples."""
