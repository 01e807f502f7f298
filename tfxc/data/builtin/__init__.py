"""The built-in data set: docstrings of installed packages and their names."""
