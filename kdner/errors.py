"""The one exception that means: the input is wrong, and this is what to do about it."""

import re

_URI = re.compile(
    r"""(\b[a-z][a-z0-9+.-]*://)
    (?:[^\s/?:]*:[^\s?]*@ | [^\s/?]*@)?  # user and password; a slash in a password is wrong there, but common
    ([^\s?]*)
    (?:\?\S*?(?=[])'":;,.]*(?:\s|$)))?  # the query, without the punctuation of the sentence around it""",
    re.VERBOSE,
)


def without_uri_secrets(text: str) -> str:
    """Leave out of all URIs in a text the user and the query, which may hold secrets."""
    return _URI.sub(r"\1\2", text)


class InputError(ValueError):
    """Report input that a user can mend.

    The message names the offending file, line or value, what was expected, and the remedy. Jobs print it without a
    traceback and exit with code 2. Of URIs in the message the user and the query, which may hold secrets, are left out.
    """

    def __init__(self, message: str) -> None:
        super().__init__(without_uri_secrets(message))


class StorageError(InputError):
    """Report storage that does not give or take something: another try, later or from elsewhere, may succeed."""
