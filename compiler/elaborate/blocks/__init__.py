"""One module for each block of the language, and for `param`: how it is elaborated and which names it binds.

Every module of this folder is imported with the elaborator, so a new block is a new file here.
"""
