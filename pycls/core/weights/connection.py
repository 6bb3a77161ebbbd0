"""One answer over HTTP or HTTPS, at bounded cost: redirects, waiting and rate have limits.

A password in an address is sent to the host that it was given for, and nowhere else.
"""

import base64
import contextlib
import http.client
import io
import math
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any

from pycls.core.bounds.secrets import HIDDEN, hide_secrets

_TIMEOUT_SEC = 60.0  # without a byte
_LEAST_RATE = 1000  # bytes a second, over each _TIMEOUT_SEC
_MOST_REDIRECTS = 10
_MOST_HEAD_BYTES = 1_000_000
_REDIRECTS = (301, 302, 303, 307, 308)


class TooSlow(OSError):
    """What arrives is too little for a file ever to be there."""


def check_address(url: str) -> urllib.parse.SplitResult:
    """Return an http(s) address taken apart; ValueError, without what is secret in it, for what is none."""
    expected = f"{hide_secrets(url)}: not an address of a file, expected http(s)://host/path"
    if not url.isascii() or not url.isprintable() or " " in url:
        shown = re.split(r"[?#]", hide_secrets(url).rpartition("@")[2])[0]  # blanks hide where a query ends
        raise ValueError(f"{ascii(shown)[1:-1]}: not an address, a character in it has to be escaped (%20 is a blank)")
    try:
        parts = urllib.parse.urlsplit(url)
        _ = parts.port, (parts.hostname or "").encode("idna")
    except ValueError:
        raise ValueError(expected) from None
    if parts.scheme.lower() not in ("http", "https") or not parts.hostname:
        raise ValueError(expected)
    return parts


def open_url(url: str, headers: dict[str, str]) -> http.client.HTTPResponse:
    """Return the answer to a GET, after redirects; urllib's HTTPError for a refusal.

    ValueError for an address that is none, and for one that leads to too many others. TooSlow is raised while the
    answer is read, too.
    """
    given = check_address(url)
    if HIDDEN in given.netloc or f"={HIDDEN}" in given.query:
        raise ValueError(f"{hide_secrets(url)}: its password was left out where it was stored (***): write it again")
    for _ in range(_MOST_REDIRECTS + 1):
        parts = check_address(url)
        plain = parts._replace(netloc=parts.netloc.rpartition("@")[2])
        request = urllib.request.Request(plain.geturl(), headers=headers)
        if parts.username is not None and _origin(parts) == _origin(given):
            words = f"{urllib.parse.unquote(parts.username)}:{urllib.parse.unquote(parts.password or '')}"
            request.add_header("Authorization", f"Basic {base64.b64encode(words.encode()).decode()}")
        try:
            return _opener().open(request, timeout=_TIMEOUT_SEC)
        except urllib.error.HTTPError as error:
            location = error.headers.get("Location", "")
            if error.code not in _REDIRECTS or not location:
                raise
            error.close()
        url = _redirected(given, url, location)
    raise ValueError(
        f"{hide_secrets(given.geturl())}: more than {_MOST_REDIRECTS} redirects, the last to {hide_secrets(url)}"
    )


def _redirected(given: urllib.parse.SplitResult, url: str, location: str) -> str:
    """Return the address that another one leads to; ValueError for what is none."""
    try:
        url = urllib.parse.urljoin(url, location)
        check_address(url)
    except ValueError as error:
        raise ValueError(f"{hide_secrets(given.geturl())}: leads to no address of a file ({error})") from None
    return url


def _origin(parts: urllib.parse.SplitResult) -> tuple[str, str | None, int | None]:
    return parts.scheme.lower(), parts.hostname, parts.port


def _opener() -> urllib.request.OpenerDirector:
    """Return what opens addresses, through a proxy where the environment names one; schemes are http and https."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        _HttpHandler(),
        _HttpsHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    return opener


class _HttpHandler(urllib.request.HTTPHandler):
    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_HttpConnection, req)


class _HttpsHandler(urllib.request.HTTPSHandler):
    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_HttpsConnection, req, context=self._context)  # type: ignore[attr-defined]


class _PacedResponse(http.client.HTTPResponse):
    """An answer whose head, body and end all have to come at the least rate."""

    def __init__(self, sock: Any, *args: Any, **kwargs: Any):
        super().__init__(sock, *args, **kwargs)
        self._reader = _PacedReader(self.fp.detach())
        self.fp = io.BufferedReader(self._reader)

    def begin(self) -> None:
        """Read the head; TooSlow for one that does not end: any number of others may come before it."""
        with self._reader.at_most(_MOST_HEAD_BYTES):
            super().begin()

    def _read_and_discard_trailer(self) -> None:
        """Read what follows the last chunk: http.client's own hook."""
        with self._reader.at_most(_MOST_HEAD_BYTES):
            super()._read_and_discard_trailer()  # type: ignore[misc]


class _PacedReader(io.RawIOBase):
    def __init__(self, raw: Any):
        self._raw, self._since, self._arrived = raw, time.monotonic(), 0
        self._left = math.inf  # bytes that may come

    @contextlib.contextmanager
    def at_most(self, num_bytes: int) -> Iterator[None]:
        """Let only so many bytes come while the block runs."""
        self._left = num_bytes
        yield
        self._left = math.inf

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        """Read what there is; TooSlow when that was too little for too long."""
        count = self._raw.readinto(buffer)
        self._arrived += count or 0
        self._left -= count or 0
        if self._left < 0:
            raise TooSlow(f"more than {_MOST_HEAD_BYTES:,} bytes of headers came")
        passed = time.monotonic() - self._since
        if passed > _TIMEOUT_SEC:
            if self._arrived < _LEAST_RATE * passed:
                raise TooSlow(f"only {self._arrived:,} bytes came in {passed:.0f} s")
            self._since, self._arrived = time.monotonic(), 0
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _HttpConnection(http.client.HTTPConnection):
    response_class = _PacedResponse


class _HttpsConnection(http.client.HTTPSConnection):
    response_class = _PacedResponse
