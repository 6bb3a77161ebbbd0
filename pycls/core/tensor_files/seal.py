"""A digest inside a checkpoint, so that no byte of it can change unnoticed.

torch.save keeps a CRC-32 of each record, and nothing of what says where records are and how long. The seal is a SHA-256
of all that is no record: headers, padding, directory with those CRCs, end record. It is the archive's comment, the last
bytes of the file: copies keep it, plain torch.load reads over it, and the gigabytes of tensors are summed only once.
"""

import hashlib
import struct
from typing import BinaryIO

from pycls.core.tensor_files.archive import Archive, check_records, pieces, read_archive

_MARK = b"pycls sha256 "


def seal(file: BinaryIO) -> None:
    """Add the seal to an archive that torch.save has just written."""
    archive = read_archive(file)
    assert not archive.comment, "torch.save writes no comment"
    comment = _MARK + _digest(file, archive).encode()
    file.seek(-2, 2)  # the length of the comment ends the end record
    file.write(struct.pack("<H", len(comment)) + comment)


def check_seal(file: BinaryIO) -> Archive:
    """Return the layout of an archive in which every byte is as it was written; ValueError for any other.

    What has no seal, other programs' and older files, is checked record by record; its headers have to agree.
    """
    archive = read_archive(file)
    if archive.comment and archive.comment != _MARK + _digest(file, archive).encode():
        raise ValueError("what describes its records is damaged")
    check_records(file, archive)
    return archive


def _digest(file: BinaryIO, archive: Archive) -> str:
    """Return the SHA-256 of an archive's bytes between its records, as they are without a comment."""
    digest, at = hashlib.sha256(), 0
    size = file.seek(0, 2)
    end = size - len(archive.comment) - 2
    for start, length in (*sorted(record[:2] for record in archive.records.values()), (end, 0)):
        for part in pieces(file, at, start - at):
            digest.update(part)
        at = start + length
    digest.update(bytes(2))  # the length of no comment
    return digest.hexdigest()
