"""The one exception that means: the input is wrong, and this is what to do about it."""


class InputError(ValueError):
    """Report input that a user can mend.

    The message names the offending file, line or value, what was expected, and the remedy. Jobs print it without a
    traceback and exit with code 2.
    """
