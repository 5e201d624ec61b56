"""The one exception for what the caller can fix; everything else is a bug and shows a traceback.

In:  words of our own, and names out of other people's files.
Out: messages of one line each that are safe to print: no name can move the cursor, change colours
     or pass for a line of ours.
"""

import errno
import importlib.util
import re
import sys
import unicodedata
from collections.abc import Iterable

DISTRIBUTION = "undertone-ser"  # on the package index, where undertone is another program
TURNING = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"  # of the text
BYTE_OF_A_PATH, BYTE_IN_TEXT = 0xDC00, 0xEF00  # to which a byte that is no UTF-8 is added
ADDRESS = r"(?<![a-z])(?!file:)([a-z][a-z0-9+.-]+:/{1,3})"  # begins one; a path keeps one slash
SECRETS = r"(?:[^\s/@:]*:(?!\d+/)[^\s@]*|[^\s/@:]+)@"  # in front of a host; keys may hold slashes
UNSAFE = ("Cc", "Cs", "Zl", "Zp")  # control characters, halves of characters, line breaks


class UndertoneError(Exception):
    """What was expected, what was found, where, and the next step, in one message.

    A message of several lines is given as several texts.
    """

    def __str__(self) -> str:
        return without_secrets("\n".join(map(str, self.args)))


class ExhaustedError(UndertoneError):
    """The machine has no more of something; that is no fault of the file at which it showed."""


def raise_if_exhausted(error: OSError) -> None:
    """Raise an ``ExhaustedError`` for what says nothing of the file that was opened."""
    if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM):
        raise ExhaustedError(
            f"{error.filename or 'a file'} cannot be opened: {error.strerror}; close other "
            "programs or raise the limit (ulimit -n), and run the same command again"
        ) from None


def without_secrets(text: str) -> str:
    """The text, whose addresses name nobody and no key, in whatever form they were given.

    >>> without_secrets("s3://KEY:SECRET@bucket/run is no path"), without_secrets("http://a:80/b@c")
    ('s3://bucket/run is no path', 'http://a:80/b@c')
    """
    return re.sub(ADDRESS + SECRETS, r"\1", text) if "@" in text else text


def printable(text: str) -> str:
    r"""The text on one line, with nothing in it that a terminal obeys.

    Bytes of file names that are no UTF-8, which Python keeps as lone surrogates, are shown as such.

    >>> printable("a\x1b[31mb\n"), printable("caf\udce9"), printable("Ärger")
    ('a\\x1b[31mb\\x0a', 'caf\\xe9', 'Ärger')
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_shown, text))


def as_text(path: str) -> str:
    r"""A path as tables can hold it: a byte that is no UTF-8 has a character of its own.

    Python keeps such a byte 0xNN as a lone surrogate, U+DCNN, which is no text; here it is U+EFNN,
    for private use. ``as_path`` gives back what the file system wants.

    >>> as_text("caf\udce9"), as_path(as_text("caf\udce9"))
    ('caf\uefe9', 'caf\udce9')
    """
    return _moved(path, BYTE_OF_A_PATH, BYTE_IN_TEXT)


def as_path(text: str) -> str:
    """The path that ``as_text`` was given."""
    return _moved(text, BYTE_IN_TEXT, BYTE_OF_A_PATH)


def _moved(text: str, here: int, there: int) -> str:
    if text.isascii():
        return text
    bytes_of_none = range(here + 0x80, here + 0x100)
    return "".join(chr(ord(c) - here + there) if ord(c) in bytes_of_none else c for c in text)


def _shown(character: str) -> str:
    code = ord(character)
    for first in (BYTE_OF_A_PATH, BYTE_IN_TEXT):
        if first + 0x80 <= code <= first + 0xFF:
            return f"\\x{code - first:02x}"
    if unicodedata.category(character) not in UNSAFE and character not in TURNING:
        return character
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def tell(message: str) -> None:
    """Say on standard error what happened and is no reason to stop."""
    print(f"undertone: {printable(without_secrets(message))}", file=sys.stderr, flush=True)


def needs(package: str, *, extra: str, what: str) -> None:
    """Refuse to go on without a package that only an extra brings.

    Args:
        package: to be imported.
        extra: of ``pyproject.toml``.
        what: needs it, in the plural.

    Raises:
        UndertoneError: the package is not installed.
    """
    if importlib.util.find_spec(package) is None:
        raise UndertoneError(
            f"{what} need the package {package}; install it with "
            f"`pip install '{DISTRIBUTION}[{extra}]'` (in a checkout `pip install -e '.[{extra}]'`)"
        )


def describe_some(names: Iterable[object], limit: int = 3) -> str:
    """The first few names and how many more there are.

    >>> describe_some(["a", "b", "c", "d", "e"])
    'a, b, c and 2 more'
    """
    words = [str(name) for name in names]
    more = f" and {len(words) - limit} more" if len(words) > limit else ""
    return ", ".join(words[:limit]) + more
