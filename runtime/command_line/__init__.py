"""The command line: what verbs say of their arguments, and who reads the words of a call.

`markers.py` is what a verb's annotations hold. `plain_words.py` reads a call in which nothing is out of the ordinary. For any other,
for what is wrong and for help there is typer (`typer_application.py`), whose import takes longer than most commands.
"""
