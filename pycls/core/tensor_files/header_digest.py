"""A digest inside a safetensors file, which has none of its own: SHA-256 of the file with zeros for its digits.

It is an entry of the header's metadata, so any reader takes the file as before.
"""

import hashlib
import re
from pathlib import Path

KEY = "sha256"
_ZEROS = "0" * 64
_DIGITS = re.compile("[0-9a-f]{64}")
_CHUNK = 1 << 20  # bytes


def with_place(metadata: dict[str, str]) -> dict[str, str]:
    """Return the metadata with room for a digest."""
    return {**metadata, KEY: _ZEROS}


def with_digest(content: bytes) -> bytes:
    """Return a file whose metadata has room for a digest with that in it."""
    empty, full = (f'"{KEY}":"{digits}"'.encode() for digits in (_ZEROS, hashlib.sha256(content).hexdigest()))
    assert content.count(empty) == 1, "no room for a digest"
    return content.replace(empty, full)


def check_digest(path: Path, metadata: dict[str, str]) -> None:
    """Raise ValueError unless a file has the digest that it names; files of other programs name none."""
    if KEY not in metadata:
        if any(len(name) == len(KEY) and _DIGITS.fullmatch(value) for name, value in metadata.items()):
            raise ValueError("it is damaged")  # in the name of the digest
        return
    full, empty = (f'"{KEY}":"{digits}"'.encode() for digits in (metadata[KEY], _ZEROS))
    with path.open("rb") as file:
        length = file.read(8)
        header = length + file.read(int.from_bytes(length, "little"))
        digest = hashlib.sha256(header.replace(full, empty))
        while part := file.read(_CHUNK):
            digest.update(part)
    if header.count(full) != 1 or digest.hexdigest() != metadata[KEY]:
        raise ValueError("it is damaged")
