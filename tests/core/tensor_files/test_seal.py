"""No byte of a checkpoint changes unnoticed, and no other program is disturbed by what notices it."""

import io
import random
import shutil
import struct
import zipfile

import pytest
import torch

from benchmarks.reliability.damage import damage
from pycls.core.checkpoint import save_checkpoint
from pycls.core.tensor_files.contents import check_contents
from pycls.core.weights.files import load_checkpoint
from pycls.core.weights.parts import UnreadableFile

STATE = {"w": torch.arange(12.0).reshape(3, 4), "n": torch.tensor(5), "words": ["a", "b"], "few": {"x": 1.5}}


@pytest.fixture
def sealed(tmp_path):
    """The bytes of a checkpoint."""
    save_checkpoint(STATE, tmp_path / "a.pyth")
    return (tmp_path / "a.pyth").read_bytes()


def same(a, b):
    if isinstance(a, dict):
        return isinstance(b, dict) and list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    return torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b


def test_other_programs_read_it_and_copies_keep_it(tmp_path, sealed):
    copy = tmp_path / "copies" / "b.pth"
    copy.parent.mkdir()
    shutil.copy(tmp_path / "a.pyth", copy)
    assert same(torch.load(copy, weights_only=True), STATE) and same(torch.load(copy, mmap=True), STATE)
    with zipfile.ZipFile(copy) as archive:
        assert archive.testzip() is None and archive.comment.startswith(b"pycls sha256 ")
    assert same(load_checkpoint(copy), STATE)
    copy.write_bytes(sealed[:-2] + b"00")
    with pytest.raises(UnreadableFile, match=r"b\.pth: .*what describes its records is damaged"):
        load_checkpoint(copy)


def test_no_byte_can_change(sealed):
    check_contents(io.BytesIO(sealed))
    rng = random.Random(1)
    for at in range(len(sealed)):
        changed = bytearray(sealed)
        changed[at] ^= 1 << rng.randrange(8)
        with pytest.raises(ValueError):
            check_contents(io.BytesIO(changed))


@pytest.mark.parametrize("kind", ["ours", "torch.save", "torch < 1.6"])
def test_damaged_files_are_refused_or_say_the_same(tmp_path, sealed, kind):
    path = tmp_path / "b.pth"
    if kind != "ours":
        torch.save(STATE, path, _use_new_zipfile_serialization=kind == "torch.save")
        sealed = path.read_bytes()
    refused = 0
    for seed in range(120):
        path.write_bytes(damage(sealed, random.Random(seed))[1])
        try:
            loaded = load_checkpoint(path)
        except UnreadableFile as error:
            refused += 1
            assert str(error).startswith(f"{path}: not a readable checkpoint (") and "\n" not in str(error)
        else:  # in what nobody reads; files of torch < 1.6 have no checksum at all
            assert kind == "torch < 1.6" or (kind == "torch.save" and same(loaded, STATE)), seed
    assert refused == 120 or kind != "ours"


def test_a_record_that_is_called_a_folder_is_not_an_uninitialized_tensor(tmp_path):
    """torch's reader gives such a one no bytes: the tensor has whatever was in memory."""
    path = tmp_path / "b.pth"
    torch.save(STATE, path)
    data = bytearray(path.read_bytes())
    entry = data.index(b"PK\x01\x02", data.index(b"PK\x01\x02") + 1)
    struct.pack_into("<L", data, entry + 38, 0x10)
    path.write_bytes(data)
    with pytest.raises(UnreadableFile, match="directory is damaged"):
        load_checkpoint(path)


def test_what_has_no_seal_is_loaded(tmp_path):
    for is_archive in (True, False):
        torch.save(STATE, tmp_path / "b.pth", _use_new_zipfile_serialization=is_archive)
        assert same(load_checkpoint(tmp_path / "b.pth"), STATE)
    with zipfile.ZipFile(tmp_path / "b.pth", "w") as archive:  # Python's zip: other headers, no 64-bit end record
        torch.save(STATE, tmp_path / "c.pth")
        with zipfile.ZipFile(tmp_path / "c.pth") as source:
            for name in source.namelist():
                archive.writestr(name, source.read(name))
    assert same(load_checkpoint(tmp_path / "b.pth"), STATE)
