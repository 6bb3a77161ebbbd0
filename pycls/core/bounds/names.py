"""Names that come out of JSON, pickles and the like: texts that a file can hold."""

from typing import Any


def is_name(value: Any) -> bool:
    """Tell whether a value is a text with something in it that can be written; bytes of file names may be in it.

    JSON can spell half a character ("\\ud800"), which no encoding has: a run would fail where it writes its tables.
    """
    if not isinstance(value, str) or not value or "\0" in value:
        return False
    try:
        value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return True
