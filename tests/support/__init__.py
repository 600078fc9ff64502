"""What several test files share: cases, specs and small files. Tests import from here, never from one another."""
