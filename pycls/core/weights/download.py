"""Download a file once: cached, checked, resumable, and by one process at a time."""

import hashlib
import os
import re
import shutil
import time
import urllib.error
import urllib.parse
from http.client import HTTPException, HTTPResponse
from pathlib import Path

from pycls.core.atomic_io import rename_durably
from pycls.core.bounds.secrets import hide_secrets
from pycls.core.locks import locked
from pycls.core.logging import get_logger, progress_bar
from pycls.core.registry import shown
from pycls.core.weights.connection import TooSlow, check_address, open_url

logger = get_logger(__name__)

NUM_TRIES = 4  # each goes on where the one before was cut off
_PAUSE_SEC = 1.0  # before the second try, twice as long before each further one
_CHUNK_BYTES = 1 << 20
_MOST_BYTES = 100 * 10**9  # of a file whose server says how long it is
_MOST_UNSAID_BYTES = 4 * 10**9  # of one whose server does not
_LONGEST_NAME = 200  # bytes; file systems take 255, of which what is unfinished needs some
_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", re.ASCII)
_HASH_IN_NAME = re.compile(r"-([0-9a-f]{8,64})\.\w+$")  # as torchvision names files: the first digits of the SHA-256


def download(url: str, cache_dir: str | Path, sha256: str | None = None) -> Path:
    """Return the local copy of a file, from cache_dir/<host>/<path> or freshly downloaded and renamed into place.

    What is checked: `sha256` (hex digits), else the digits in a file name like resnet50-0676ba61.pth, else the length.
    Processes that ask together wait for one of them. ValueError for a wrong address or content, OSError for a network
    that fails; what has arrived stays, and the next call goes on from there.
    """
    path = cached_path(url, Path(cache_dir))
    digits = (sha256 or _digits_in_name(path)).lower()
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked(path.with_name(f".{path.name}.lock")):
        if path.is_file() and not _is_wrong(path, digits):
            return path
        if path.is_file():
            logger.warning("%s: its SHA-256 does not begin with %s; downloading it again", path, digits)
        part = path.with_name(f"{path.name}.part")
        _fetch(url, part)
        if _is_wrong(part, digits):
            found = _sha256(part)
            _forget(part)
            raise ValueError(
                f"{hide_secrets(url)}: the SHA-256 of what came is {found}, expected {digits}; nothing was kept"
            )
        rename_durably(part, path)
        _forget(part)
    return path


def cached_path(url: str, cache_dir: Path) -> Path:
    """Return where the copy of a file is kept; a query becomes part of the name."""
    parts = check_address(url)
    names = [name for name in urllib.parse.unquote(parts.path).split("/") if name not in ("", ".", "..")]
    if not names or not all(name.isprintable() and len(os.fsencode(name)) <= _LONGEST_NAME for name in names):
        raise ValueError(f"{hide_secrets(url)}: not an address of a file, expected http(s)://host/path")
    suffix = f"-{hashlib.sha256(parts.query.encode()).hexdigest()[:8]}" if parts.query else ""
    return cache_dir.joinpath(parts.netloc.rpartition("@")[2].replace(":", "_"), *names[:-1], names[-1] + suffix)


def _digits_in_name(path: Path) -> str:
    match = _HASH_IN_NAME.search(path.name)
    return match[1] if match else ""


def _is_wrong(path: Path, digits: str) -> bool:
    return bool(digits) and not _sha256(path).startswith(digits)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fetch(url: str, part: Path) -> None:
    """Download into `part`, going on where it ends, and try again when the connection breaks."""
    for attempt in range(NUM_TRIES):
        try:
            return _fetch_rest(url, part)
        except (OSError, HTTPException) as error:
            if attempt == NUM_TRIES - 1 or isinstance(error, TooSlow):
                so_far = f"{part.stat().st_size:,} bytes are kept" if part.exists() else "nothing came"
                goes_on = f"{so_far}, the same command goes on from there"
                raise OSError(
                    f"{hide_secrets(url)}: {_reason(error)}; {goes_on}{_without_network(error, part)}"
                ) from error
            logger.warning("%s: %s; trying again", hide_secrets(url), _reason(error))
            time.sleep(_PAUSE_SEC * 2**attempt)
    raise AssertionError("not reached")


def _without_network(error: Exception, part: Path) -> str:
    """Return what to do where the server was not even reached."""
    if not isinstance(error, urllib.error.URLError):
        return ""
    return f"; without a network, put the file there yourself: {part.with_suffix('')}"


def _reason(error: Exception) -> str:
    return shown(hide_secrets(str(getattr(error, "reason", "") or error)) or type(error).__name__)


def _fetch_rest(url: str, part: Path) -> None:
    """Ask for the bytes that are missing; a server that cannot say that they belong to ours sends all of them."""
    start, validator = part.stat().st_size if part.exists() else 0, _validator_file(part)
    headers = {"User-Agent": "pycls", "Accept-Encoding": "identity"}
    if start and validator.exists():
        headers |= {"Range": f"bytes={start}-", "If-Range": validator.read_text()}
    response = _open(url, headers, part)
    if response is None:  # there is nothing behind what we have, which therefore is not a part of it
        return _fetch_rest(url, part)
    with response:
        if (coding := response.headers.get("Content-Encoding", "identity")) != "identity":
            raise ValueError(f"{hide_secrets(url)}: the server sends it compressed ({shown(coding)}), unasked")
        resumed = response.status == 206
        if resumed and not _is_the_rest(response.headers.get("Content-Range", ""), start):
            _forget(part)
            raise OSError("the server sends another part of the file than it was asked for")
        _note_validator(response, validator)
        _copy(response, part, start if resumed else 0)


def _is_the_rest(content_range: str, start: int) -> bool:
    """Tell whether a part of a file goes from `start` to its end."""
    found = _RANGE.fullmatch(content_range)
    return bool(found and int(found[1]) == start and found[3] in ("*", str(int(found[2]) + 1)))


def _open(url: str, headers: dict[str, str], part: Path) -> HTTPResponse | None:
    """Return the answer, None where the server refuses the range; ValueError for 404 and the like."""
    try:
        return open_url(url, headers)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and "Range" in headers:
            _forget(part)
            return None
        if error.code >= 500 or error.code == 429:
            raise OSError(f"the server answers {error.code} {error.reason}") from error
        answer = f"the server answers {error.code} {shown(error.reason)}"
        raise ValueError(f"{hide_secrets(url)}: {answer}") from error


def _copy(response: HTTPResponse, part: Path, start: int) -> None:
    """Write a response behind the first `start` bytes of `part`; OSError unless it has the length it said."""
    expected = None if response.length is None else start + response.length
    _check_length(expected, start, part)
    logger.info("Downloading %s%s", hide_secrets(response.url), f" from byte {start:,} on" if start else "")
    bar = progress_bar(None, part.stem, expected, unit="byte", start=start)
    with part.open("r+b" if start else "wb") as file, bar:
        file.seek(start)
        while chunk := response.read1(_CHUNK_BYTES):
            bar.update(file.write(chunk))
            if expected is None and file.tell() > _MOST_UNSAID_BYTES:
                raise _endless(part)
        file.truncate()
        file.flush()
        os.fsync(file.fileno())
        arrived = file.tell()
    if expected not in (None, arrived):
        raise OSError(f"the connection ended after {arrived:,} of {expected:,} bytes")


def _check_length(expected: int | None, start: int, part: Path) -> None:
    """Raise ValueError for a file that is too long, or has no room on the disk; an unknown length is seen later."""
    free = shutil.disk_usage(part.parent).free
    if expected is not None and (expected > _MOST_BYTES or expected - start > free):
        most = f"{_MOST_BYTES / 1e9:,.0f} GB are the most that is downloaded"
        room = most if expected > _MOST_BYTES else f"{part.parent} (DOWNLOAD_CACHE) has {free / 1e9:,.1f} GB free"
        raise ValueError(f"{part.stem}: the server announces {expected / 1e9:,.1f} GB, {room}")


def _endless(part: Path) -> ValueError:
    """Return the error of a file without end; nothing is kept of it."""
    _forget(part)
    gigabytes = f"{_MOST_UNSAID_BYTES / 1e9:,.0f} GB"
    return ValueError(f"{part.stem}: the server does not say how long it is, and {gigabytes} have come: given up")


def _validator_file(part: Path) -> Path:
    return part.with_name(f"{part.name}.version")


def _note_validator(response: HTTPResponse, file: Path) -> None:
    """Keep what tells this version of the file from others: only then may a later request go on from here."""
    version = response.headers.get("ETag", "")
    version = response.headers.get("Last-Modified", "") if not version or version.startswith("W/") else version
    file.write_text(version) if version else file.unlink(missing_ok=True)


def _forget(part: Path) -> None:
    part.unlink(missing_ok=True)
    _validator_file(part).unlink(missing_ok=True)
