"""How what is wrong is told, what would mend it, and elaborating on trial."""
