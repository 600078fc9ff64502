"""One step of training: its loss as code, its draws, its optimizer, its share of several processes, and all that it changes."""
