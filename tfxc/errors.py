"""The one exception that means: the input is wrong, not the program."""


class InputError(ValueError):
    """Something that the user gave cannot be used.

    The message stands alone: it names the file and line or the argument, says
    what was expected and ends in `Received: ...`. Commands print it without a
    traceback and exit with code 2.
    """
