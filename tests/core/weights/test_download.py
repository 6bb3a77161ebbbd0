"""Downloads from a server on this machine: cached, checked, resumed after an interruption, one at a time."""

import hashlib
import http.server
import multiprocessing
import threading
from pathlib import Path

import pytest

from pycls.core.weights import download as module
from pycls.core.weights.download import cached_path, download
from pycls.core.weights.sources import ZOO, find_weights, zoo_url

DATA = bytes(range(256)) * 4096  # one MiB
SHA256 = hashlib.sha256(DATA).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves DATA; the server object says how badly, and notes what it was asked."""

    def do_GET(self):
        server = self.server
        server.ranges.append(self.headers.get("Range"))
        if server.status != 200:
            return self.send_error(server.status)
        start = 0
        unchanged = self.headers.get("If-Range", server.etag) == server.etag
        if server.has_ranges and self.headers.get("Range") and unchanged:
            start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        if start >= len(server.data) > 0 and start:
            return self.send_error(416)
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(server.data) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(server.data) - 1}/{len(server.data)}")
        if server.etag:
            self.send_header("ETag", server.etag)
        self.end_headers()
        stop = server.cut_at.pop(0) if server.cut_at else len(server.data)
        self.wfile.write(server.data[start:stop])

    def log_message(self, *args):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(module, "_PAUSE_SEC", 0.01)
    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    running.status, running.data, running.etag, running.has_ranges = 200, DATA, '"v1"', True
    running.ranges, running.cut_at = [], []
    running.url = f"http://127.0.0.1:{running.server_port}/zoo/net.pyth"
    threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
    yield running
    running.shutdown()
    running.server_close()


def left_in(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file() and not path.name.endswith(".lock"))


def test_a_file_is_downloaded_once(server, tmp_path):
    path = download(server.url, tmp_path, SHA256)
    assert path.read_bytes() == DATA and left_in(tmp_path) == ["net.pyth"]
    assert download(server.url, tmp_path, SHA256) == path and len(server.ranges) == 1


def test_an_interrupted_download_goes_on_where_it_ended(server, tmp_path):
    server.cut_at = [300_000, 700_000]
    assert download(server.url, tmp_path, SHA256).read_bytes() == DATA
    assert server.ranges == [None, "bytes=300000-", "bytes=700000-"]


def test_a_later_call_goes_on_where_an_earlier_one_gave_up(server, tmp_path):
    server.cut_at = [200_000] + [200_001] * (module.NUM_TRIES - 1)
    with pytest.raises(OSError, match=r"ended after 200,001 of 1,048,576 bytes.*200,001 bytes are kept"):
        download(server.url, tmp_path)
    assert left_in(tmp_path) == ["net.pyth.part", "net.pyth.part.version"], "half a file never has the file's name"
    server.ranges.clear()
    assert download(server.url, tmp_path).read_bytes() == DATA and server.ranges == ["bytes=200001-"]


@pytest.mark.parametrize("change", ["no ranges", "no version", "another version"])
def test_bytes_of_two_files_are_never_joined(server, tmp_path, change):
    server.cut_at = [300_000]
    if change == "no ranges":
        server.has_ranges = False
    if change == "no version":
        server.etag = ""
    if change == "another version":
        server.cut_at = [300_000] * module.NUM_TRIES
        with pytest.raises(OSError):
            download(server.url, tmp_path)
        server.data, server.etag = DATA[::-1], '"v2"'
    assert download(server.url, tmp_path).read_bytes() == server.data


def test_a_part_that_is_longer_than_the_file_is_thrown_away(server, tmp_path):
    part = cached_path(server.url, tmp_path).with_name("net.pyth.part")
    part.parent.mkdir(parents=True)
    part.write_bytes(DATA + b"more")
    part.with_name("net.pyth.part.version").write_text('"v1"')
    assert download(server.url, tmp_path).read_bytes() == DATA


def test_a_wrong_hash_keeps_nothing(server, tmp_path):
    with pytest.raises(ValueError, match=rf"net\.pyth: the SHA-256 of what came is {SHA256}, expected 0000"):
        download(server.url, tmp_path, "0" * 64)
    assert left_in(tmp_path) == []


@pytest.mark.parametrize("digits", [SHA256[:8], "0123abcd"])
def test_the_hash_in_a_file_name_of_torchvision_is_checked(server, tmp_path, digits):
    url = server.url.replace("net.pyth", f"resnet50-{digits}.pth")
    if SHA256.startswith(digits):
        assert download(url, tmp_path).read_bytes() == DATA
    else:
        with pytest.raises(ValueError, match="expected 0123abcd"):
            download(url, tmp_path)


def test_a_damaged_copy_is_replaced(server, tmp_path, caplog):
    path = download(server.url, tmp_path, SHA256)
    path.write_bytes(DATA[:-1])
    assert download(server.url, tmp_path, SHA256).read_bytes() == DATA and "downloading it again" in caplog.text


def test_errors_say_what_the_server_said(server, tmp_path):
    server.status = 404
    with pytest.raises(ValueError, match=r"net\.pyth: the server answers 404 Not Found"):
        download(server.url, tmp_path)
    assert len(server.ranges) == 1, "asking again does not help"
    server.status = 503
    with pytest.raises(OSError, match="the server answers 503"):
        download(server.url, tmp_path)
    assert len(server.ranges) == 1 + module.NUM_TRIES


def test_no_server_is_an_os_error(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "_PAUSE_SEC", 0.0)
    with pytest.raises(OSError, match=r"http://127\.0\.0\.1:9/x: .*; nothing came"):
        download("http://127.0.0.1:9/x", tmp_path)


def test_processes_that_ask_together_download_once(server, tmp_path):
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        paths = pool.starmap(download, [(server.url, str(tmp_path), SHA256)] * 3)
    assert len(server.ranges) == 1 and len(set(paths)) == 1 and paths[0].read_bytes() == DATA


def test_addresses_have_places_of_their_own():
    first = cached_path("https://a.org/x/net.pyth", Path("cache"))
    assert first == Path("cache/a.org/x/net.pyth")
    others = ["https://b.org/x/net.pyth", "https://a.org/y/net.pyth", "https://a.org/x/net.pyth?v=2"]
    assert len({first, *(cached_path(url, Path("cache")) for url in others)}) == 4
    escaping = cached_path("https://user:secret@a.org/%2e%2e/../../net.pyth", Path("cache"))
    assert escaping == Path("cache/a.org/net.pyth")
    for wrong in ("https://a.org", "https:///x", "file:///etc/passwd"):
        with pytest.raises(ValueError, match="not an address of a file"):
            cached_path(wrong, Path("cache"))
    for wrong in ("https://h/é?token=secret", "https://user:secret@h/x?token=secret é", "https://user:secret@h/a b"):
        with pytest.raises(ValueError, match="not an address, a character in it") as caught:
            cached_path(wrong, Path("cache"))
        assert "secret" not in str(caught.value)


def test_weights_are_a_path_a_url_or_a_zoo_name(server, tmp_path):
    (tmp_path / "a.pyth").write_bytes(b"x")
    assert find_weights(tmp_path / "a.pyth") == tmp_path / "a.pyth"
    assert find_weights(server.url, tmp_path).read_bytes() == DATA
    with pytest.raises(ValueError, match=r"TRAIN\.WEIGHTS RegNetX-401MF: no such file.*did you mean 'RegNetX-400MF'"):
        find_weights("RegNetX-401MF", tmp_path, "TRAIN.WEIGHTS")


def test_zoo_names_are_those_of_pycls():
    url = "https://dl.fbaipublicfiles.com/pycls/dds_baselines/160905967/RegNetX-400MF_dds_8gpu.pyth"
    assert [zoo_url(name) for name in ("RegNetX-400MF", "regnetx/400MF", "regnetx-400mf")] == [url] * 3
    assert zoo_url("effnet/B0") == zoo_url("EfficientNet-B0") and zoo_url("resnet/50").endswith(
        "R-50-1x64d_dds_8gpu.pyth"
    )
    assert len(ZOO) == 36 and len(set(ZOO.values())) == 36
