"""What mathematics says of the systems, measured: `make fidelity` writes `docs/fidelity.md`."""
