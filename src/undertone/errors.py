"""The one exception for what the caller can fix; everything else is a bug and shows a traceback."""


class UndertoneError(Exception):
    """What was expected, what was found, where, and the next step, in one message."""
