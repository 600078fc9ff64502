"""`mai lsp`: what an editor asks of a spec while it is written.

`living.py` makes a tree of a text that is half written, `names.py` says what each name in it is, `meaning.py` checks it; the others answer
questions with these. `server.py` speaks the language server protocol, by pygls; it alone imports it.
"""
