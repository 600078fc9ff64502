"""What a syntax error may have meant: from the place where the parser stopped to what is told, with a repair."""
