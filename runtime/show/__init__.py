"""What people look at: pictures, films, printed lines, saved files."""
