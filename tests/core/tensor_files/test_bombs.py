"""Small files that ask for gigabytes, for hours, or for the end of the stack: one line, and torch never sees them."""

import argparse
import io
import pickle
import struct
import zipfile

import pytest
import torch
from torch import nn

from pycls.core.checkpoint import save_checkpoint
from pycls.core.tensor_files.contents import check_contents
from pycls.core.weights import files
from pycls.core.weights.files import load_checkpoint
from pycls.core.weights.parts import UnreadableFile

HUGE = 10**11
LONG_HUGE = pickle.LONG1 + bytes([6]) + HUGE.to_bytes(6, "little")
TENSOR = b"ctorch._utils\n_rebuild_tensor_v2\n"


def text(word):
    return pickle.BINUNICODE + struct.pack("<I", len(word)) + word.encode()


def storage(count, key="0", kind="FloatStorage"):
    """Return the steps for a storage of `count` numbers, a pickled number."""
    return b"(" + text("storage") + f"ctorch\n{kind}\n".encode() + text(key) + text("cpu") + count + b"tQ"


def tensor(sizes, strides, count=b"K\x04"):
    hooks = b"ccollections\nOrderedDict\n)R"
    return TENSOR + b"(" + storage(count) + b"K\x00" + sizes + strides + b"\x89" + hooks + b"tR"


def laughs(depth):
    """Return a list of two references to a list of two references ..."""
    steps = b"]"
    for _ in range(depth):
        steps = b"](" + steps + b"q\x01h\x01e"
    return steps


BOMBS = {
    "a storage of 400 GB": tensor(b"K\x04\x85", b"K\x01\x85", LONG_HUGE),
    "a storage of a negative size": tensor(b"K\x04\x85", b"K\x01\x85", b"J\xff\xff\xff\xff"),
    "a tensor larger than its storage": tensor(LONG_HUGE + b"\x85", b"K\x01\x85"),
    "a tensor behind its storage": tensor(b"K\x02\x85", b"K\x09\x85"),
    "one number repeated": tensor(LONG_HUGE + b"\x85", b"K\x00\x85"),
    "a negative stride": tensor(b"K\x02\x85", b"J\xff\xff\xff\xff\x85"),
    "sizes whose product wraps": tensor(b"(" + (LONG_HUGE * 2) + b"t", b"(K\x01K\x01t"),
    "a bytearray by length": b"cbuiltins\nbytearray\n(" + LONG_HUGE + b"tR",
    "a bytearray by tensor": b"cbuiltins\nbytearray\n(" + tensor(b")", b")") + b"tR",
    "a set of a tensor": b"cbuiltins\nset\n(" + tensor(b"K\x04\x85", b"K\x01\x85") + b"tR",
    "a long text encoded again and again": (
        text("x" * 2**20) + b"q\x01(" + 40 * (b"c_codecs\nencode\n(h\x01" + text("latin1") + b"tR") + b"t\x86"
    ),
    "a tensor of torch's by length": b"ctorch\nFloatTensor\n(" + LONG_HUGE + b"t\x81",
    "a tensor without storage": b"ctorch._utils\n_rebuild_meta_tensor_no_storage\n)R",
    "a sparse tensor": b"ctorch._utils\n_rebuild_sparse_tensor\n)R",
    "tuples in tuples": b")" + b"\x85" * 200_000,
    "a dictionary with such a key": b"}" + b")" + b"\x85" * 200_000 + b"K\x01s",
    "a list in itself": b"]q\x01h\x01a",
    "a list that means a billion": laughs(40),
    "text longer than the file": pickle.BINUNICODE + b"\xff\xff\xff\x7fabc",
    "a call of code": b"cos\nsystem\n(" + text("true") + b"tR",
    "a call of what is no function": b"K\x01)R",
    "values left over": b"K\x01K\x02",
    "taking from nothing": b"a",
    "a marked group that is not there": b"t",
    "a number never noted": b"h\x07",
    "another protocol's step": b"\x8c\x01a",
    "an attribute of a number": b"K\x01}b",
}


def archive(steps, records=()):
    """Return an archive as torch.save writes it, around steps of a pickle."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("a/data.pkl", b"\x80\x02" + steps + b".")
        for name, content in {"a/version": b"3\n", "a/data/0": bytes(16)}.items() | dict(records).items():
            file.writestr(name, content)
    return buffer.getvalue()


@pytest.fixture
def never_loads(monkeypatch):
    monkeypatch.setattr(torch, "load", lambda *args, **kwargs: pytest.fail("torch has been given the file"))


@pytest.mark.parametrize("name", BOMBS)
def test_a_pickle_is_walked_through_before_torch_builds_it(tmp_path, never_loads, name):
    path = tmp_path / "b.pth"
    path.write_bytes(archive(BOMBS[name]))
    with pytest.raises(UnreadableFile, match=r"b\.pth: not a readable checkpoint \(") as caught:
        load_checkpoint(path)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300


def test_a_tensor_of_very_many_axes_is_refused_before_their_sizes_are_multiplied():
    sizes = b"(" + LONG_HUGE * 20_000 + b"t"  # the product of a million would take hours
    with pytest.raises(ValueError, match="declares an odd tensor"):
        check_contents(io.BytesIO(archive(tensor(sizes, sizes))))


def test_a_small_archive_that_unpacks_to_much_is_refused(tmp_path, never_loads):
    path = tmp_path / "b.pth"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a/data.pkl", b"\x80\x02" + tensor(b"K\x04\x85", b"K\x01\x85") + b".")
        file.writestr("a/data/0", bytes(2**22), zipfile.ZIP_DEFLATED)
    with pytest.raises(UnreadableFile, match=r"data/0.*compressed, 4,0\d\d bytes from 4,194,304"):
        load_checkpoint(path)


def test_records_that_share_their_bytes_are_refused():
    data = bytearray(archive(b"K\x01", {"a/data/1": bytes(16)}))
    entries = [at for at in range(len(data)) if data.startswith(b"PK\x01\x02", at)]
    data[entries[3] + 42 : entries[3] + 46] = data[entries[2] + 42 : entries[2] + 46]
    with pytest.raises(ValueError, match=r"shares bytes|contradict"):
        check_contents(io.BytesIO(data))


def test_a_file_before_torch_1_6_declares_what_is_there(tmp_path, never_loads):
    path, stream = tmp_path / "b.pth", io.BytesIO()
    torch.save({"w": torch.ones(4)}, stream, _use_new_zipfile_serialization=False)
    four, many = b"K\x04Nt", pickle.BININT + struct.pack("<i", 2**30) + b"Nt"
    assert stream.getvalue().count(four) == 1
    for data in (stream.getvalue().replace(four, many), stream.getvalue()[:-1], stream.getvalue() + b"x"):
        path.write_bytes(data)
        with pytest.raises(UnreadableFile, match=r"declares [0-9,]+ bytes of numbers, of which [0-9,]+ are there"):
            load_checkpoint(path)


def test_more_than_the_memory_or_the_run_needs_is_refused(tmp_path, never_loads, monkeypatch):
    path = tmp_path / "a.pyth"
    save_checkpoint({"w": torch.zeros(2**20)}, path)
    monkeypatch.setattr(files, "_ALWAYS_BYTES", 1e6)
    with pytest.raises(UnreadableFile, match=r"holds 0\.0 GB of tensors, the network 0\.000 GB"):
        load_checkpoint(path, lambda: 100_000)
    monkeypatch.setattr(files, "free_memory_bytes", lambda: 3_000_000)
    with pytest.raises(OSError, match=r"GB of tensors do not fit into the 0\.0 GB of memory that are free"):
        load_checkpoint(path)  # not damaged: a run that goes on does not pass it over
    monkeypatch.setattr(files, "memory_gb", lambda: 0.003)
    with pytest.raises(UnreadableFile, match=r"GB of tensors, this machine has 0\.0 GB"):
        load_checkpoint(path)


def test_what_torch_saves_of_tensors_and_plain_values_is_let_through(tmp_path):
    net, base = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)), torch.arange(24.0)
    net = net.to(memory_format=torch.channels_last)
    shared = {"lr": 0.1}
    tagged = torch.ones(2)
    tagged.tag = "x"
    state = {
        "state_dict": net.state_dict(),  # with its _metadata
        "parameter": nn.Parameter(torch.ones(3)),
        "views": [base[3:9], base.view(4, 6).t(), base[:0], torch.tensor(7), base[None, None, :, None]],
        "types": [
            torch.ones(2, dtype=t) for t in (torch.bfloat16, torch.float16, torch.bool, torch.int8, torch.cfloat)
        ],
        "plain": [None, True, 1.5, -(2**80), "text", b"bytes", (1, (2, (3,))), {4, 5}, 2j, bytearray(b"x")],
        "about": [torch.float32, torch.Size([1, 2]), torch.device("cpu"), argparse.Namespace(lr=0.1)],
        "shared": [shared, shared],
        "tagged": tagged,
    }
    for is_archive in (True, False):
        torch.save(state, tmp_path / "b.pth", _use_new_zipfile_serialization=is_archive)
        loaded = load_checkpoint(tmp_path / "b.pth")
        assert loaded["plain"] == state["plain"] and loaded["about"] == state["about"]
        assert all(map(torch.equal, loaded["views"] + loaded["types"], state["views"] + state["types"]))
        assert loaded["state_dict"]._metadata == net.state_dict()._metadata
