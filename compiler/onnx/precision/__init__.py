"""How numbers are stored and multiplied: few bits, whole numbers, 16 bits."""
