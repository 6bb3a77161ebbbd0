"""Tars of a few kilobytes that claim, or would unpack to, much more are refused by name at little cost."""

import io
import tarfile

import pytest

from pycls.datasets.sources.tar_members import scan_tar

BIG = 20 * 10**9


def _plain(file, members):
    with tarfile.open(file, "w", format=tarfile.PAX_FORMAT) as tar:
        for name, data, headers in members:
            info = tarfile.TarInfo(name)
            info.size, info.pax_headers = len(data), headers
            tar.addfile(info, io.BytesIO(data))


def _first_header(file, kind, size, length=10_240):
    info = tarfile.TarInfo("././@Header")
    info.type, info.size = kind, size
    with file.open("wb") as out:
        out.write(info.tobuf(tarfile.GNU_FORMAT))
        out.truncate(length)


def _sparse(**facts):
    return {f"GNU.sparse.{name}": str(value) for name, value in facts.items()}


BOMBS = {
    "attributes of 20 GB": (lambda file: _first_header(file, tarfile.XHDTYPE, BIG, BIG + 1024), "a header of 20,0"),
    "global attributes": (lambda file: _first_header(file, tarfile.XGLTYPE, BIG, BIG + 1024), "a header of 20,0"),
    "a name of 20 GB": (
        lambda file: _first_header(file, tarfile.GNUTYPE_LONGNAME, BIG, BIG + 1024),
        "a header of 20,0",
    ),
    "a size of 2^70": (lambda file: _first_header(file, tarfile.REGTYPE, 2**70), "a header of"),
    "a hole of 1 TB": (
        lambda file: _plain(file, [("a.cls", b"1", _sparse(major=0, minor=1, size=10**12, map="0,1"))]),
        "a.cls is a sparse file",
    ),
    "a label of 30 MB": (lambda file: _plain(file, [("a.cls", bytes(30_000_000), {})]), "a.cls has 30,000,000 bytes"),
    "a size below zero": (lambda file: _plain(file, [("a.cls", b"1", {"size": "-512"})]), "cut short|header of"),
    "headers of headers": (
        lambda file: file.write_bytes(_header_of_header() * 3000 + bytes(1024)),
        "recursion|header|not a tar",
    ),
}


def _header_of_header():
    info = tarfile.TarInfo("././@PaxHeader")
    info.type, info.size = tarfile.XHDTYPE, 11
    return info.tobuf(tarfile.GNU_FORMAT) + b"11 comment=\n".ljust(512, b"\0")


@pytest.mark.parametrize("name", BOMBS)
def test_a_tar_that_claims_much_is_refused(tmp_path, name):
    write, words = BOMBS[name]
    write(tmp_path / "x.tar")
    with pytest.raises(ValueError, match=rf"x.tar: (not a tar that can be read.*\(.*({words})|.*{words})"):
        scan_tar(0, tmp_path / "x.tar")


def test_json_that_is_too_deep_is_refused(tmp_path):
    _plain(tmp_path / "x.tar", [("a.jpg", b"x", {}), ("a.json", b"[" * 100_000, {})])
    with pytest.raises(ValueError, match=r"x.tar: sample a: its .json is not valid"):
        scan_tar(0, tmp_path / "x.tar")


@pytest.mark.parametrize("label", [b'"a\\ud800"', b'"a\\u0000"', b'"' + b"a" * 100_000 + b'"'])
def test_a_label_that_no_table_can_hold_is_refused(tmp_path, label):
    _plain(tmp_path / "x.tar", [("a.jpg", b"x", {}), ("a.json", b'{"label": ' + label + b"}", {})])
    with pytest.raises(ValueError, match=r"x.tar: sample a has a label that is no name: a") as caught:
        scan_tar(0, tmp_path / "x.tar")
    assert len(str(caught.value)) < 400


def test_a_name_that_no_index_can_hold_is_refused(tmp_path):
    _plain(tmp_path / "x.tar", [("d" * 70_000 + ".jpg", b"x", {}), ("d" * 70_000 + ".cls", b"1", {})])
    with pytest.raises(ValueError, match=r"x.tar: not a tar that can be read.*a name of 70,004 characters"):
        scan_tar(0, tmp_path / "x.tar")
    _plain(tmp_path / "x.tar", [("d/" * 2000 + "a.jpg", b"x", {}), ("d/" * 2000 + "a.cls", b"1", {})])
    assert len(scan_tar(0, tmp_path / "x.tar")) == 1
