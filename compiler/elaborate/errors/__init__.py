"""How mistakes are reported, what would mend them, and elaborating on trial."""
