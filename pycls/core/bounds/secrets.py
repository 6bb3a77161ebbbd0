"""Passwords and keys in addresses: they open what is asked for, and are neither shown nor stored."""

import re

HIDDEN = "***"
# A path made of an address has one slash of the two: DATA_DIR/http:/user:password@host.
_KNOWN = "https?|ftps?|sftp|ssh|s3|gs|hdfs|webdavs?"
_SCHEME = rf"(?P<scheme>\b(?:[a-z][a-z0-9+.-]{{0,30}}://|(?:{_KNOWN}):/))"
# user:password@ in front of a host, or user@ alone, which may be a token. A password that should have been written
# with escapes is one, too: what follows a colon and is no port.
_USER = re.compile(rf"{_SCHEME}[^\s/?#'\"]*@", re.IGNORECASE)
_ODD_USER = re.compile(rf"{_SCHEME}[^\s/?#@:\[\]]*:(?!\d*(?:[/?#\s]|$))\S*@", re.IGNORECASE)
_ODD_START = re.compile(rf"\A['\"]?{_SCHEME}[^/?#@:\[\]]*:(?!\d*(?:[/?#\s]|$)).*@", re.IGNORECASE | re.DOTALL)
_QUERY = re.compile(rf"{_SCHEME}[^\s'\"<>?#]*[?#][^\s'\"<>]*", re.IGNORECASE)
# Names of what is secret in a query: ?token=..., &X-Amz-Signature=..., ?sig=... of Azure, api_key, access_token ...
_NAMES = "token|sig|secret|pass|pwd|auth|cred|key|session|jwt|code"
_SECRET = re.compile(rf"(?P<name>[?&;#][^=&;#]*(?:{_NAMES})[^=&;#]*=)[^&;#]+", re.IGNORECASE)


def hide_secrets(text: str) -> str:
    """Return a text in which passwords and keys of addresses are replaced by ***; all else stays as it is."""
    if ":/" not in text:
        return text
    for pattern in (_ODD_START, _ODD_USER, _USER):
        text = pattern.sub(rf"\g<scheme>{HIDDEN}@", text)
    return _QUERY.sub(lambda url: _SECRET.sub(rf"\g<name>{HIDDEN}", url[0]), text)
