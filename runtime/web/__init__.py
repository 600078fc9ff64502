"""Compiled files in a browser: the JavaScript host, and a page in one file."""
