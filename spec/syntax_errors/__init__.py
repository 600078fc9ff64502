"""What a syntax error may have meant: from the place where the parser stopped to the message, with a repair."""
