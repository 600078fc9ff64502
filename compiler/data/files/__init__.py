"""Files that a path names, those that are not tables of text or of Arrow (arrays, pictures, spreadsheets), and what other libraries say of theirs."""
