"""Servers without end, without haste, or with a trap: a download ends, and a password goes to its own host only."""

import contextlib
import http.server
import threading
import time

import pytest

from pycls.core.weights import connection, download
from pycls.core.weights.connection import open_url

PASSWORD = "Basic dXNlcjpwQHNz"  # base64 of user:p@ss


class Handler(http.server.BaseHTTPRequestHandler):
    """Does what the path says, until the client goes."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.seen.append((self.path, self.headers.get("Authorization")))
        with contextlib.suppress(OSError):
            getattr(self, self.path.strip("/").partition("/")[0].replace("-", "_"))()
        self.close_connection = True

    def start(self, **headers):
        self.send_response(200)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def file(self):
        self.start(Content_Length="3")
        self.wfile.write(b"abc")

    def endless(self):
        self.start()
        while True:
            self.wfile.write(bytes(100_000))

    def chunked(self):
        self.start(Transfer_Encoding="chunked")
        while True:
            self.wfile.write(b"10000\r\n" + bytes(65536) + b"\r\n")

    def longer_than_said(self):
        self.start(Content_Length="3")
        self.wfile.write(b"abc" + bytes(1_000_000))

    def huge(self):
        self.start(Content_Length=str(10**15))

    def larger_than_the_disk(self):
        self.start(Content_Length=str(99 * 10**9))

    def no_number(self):
        self.start(Content_Length="-5")
        self.wfile.write(b"abc")

    def zipped(self):
        self.start(Content_Encoding="gzip", Content_Length="3")
        self.wfile.write(b"abc")

    def drip(self):
        self.start(Content_Length="1000000")
        while True:
            self.wfile.write(b"x")
            time.sleep(0.05)

    def slow_head(self):
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            self.wfile.write(b"X: y\r\n"[:1])
            time.sleep(0.05)

    def endless_head(self):
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            self.wfile.write(b"X-Y: " + b"z" * 1000 + b"\r\n")

    def endless_heads(self):
        while True:
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)

    def endless_trailer(self):
        self.start(Transfer_Encoding="chunked")
        self.wfile.write(b"1\r\nx\r\n0\r\n")
        while True:
            self.wfile.write(b"X: y\r\n" * 1000)

    def other_part(self):
        self.send_response(206)
        self.send_header("Content-Range", "bytes 5-9/10")
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"abcde")

    def redirect(self, to, body=b""):
        self.send_response(302)
        self.send_header("Location", to)
        self.end_headers()
        while body:
            self.wfile.write(body)

    def loop(self):
        self.redirect(f"/loop/{len(self.server.seen)}")

    def to_file(self):
        self.redirect("file:///etc/passwd")

    def to_nothing(self):
        self.redirect("http://[x/y?token=s3cr3t")

    def to_ftp(self):
        self.redirect("ftp://127.0.0.1/x")

    def endless_redirect(self):
        self.redirect("/file/b", bytes(100_000))

    def to_same(self):
        self.redirect("/file/a")

    def to_other(self):
        self.redirect(f"http://localhost:{self.server.server_port}/file/a")  # the same machine under another name

    def log_message(self, *args):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(download, "_PAUSE_SEC", 0.01)
    monkeypatch.setattr(download, "_MOST_UNSAID_BYTES", 2_000_000)
    monkeypatch.setattr(connection, "_TIMEOUT_SEC", 0.3)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    running.daemon_threads, running.seen = True, []
    running.url = f"http://127.0.0.1:{running.server_port}"
    threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
    yield running
    running.shutdown()
    running.server_close()


@pytest.mark.parametrize(
    ("path", "kind", "words"),
    [
        ("endless", ValueError, "does not say how long it is"),
        ("chunked", ValueError, "does not say how long it is"),
        ("huge", ValueError, r"announces 1,000,000.0 GB, 100 GB are the most"),
        ("zipped", ValueError, r"sends it compressed \(gzip\), unasked"),
        ("drip", OSError, r"only \d+ bytes came in 0 s; \d+ bytes are kept"),
        ("slow-head", OSError, r"only \d+ bytes came in 0 s; nothing came"),
        ("endless-head", OSError, r"got more than 100 headers; nothing came"),
        ("endless-heads", OSError, r"more than 1,000,000 bytes of headers came; nothing came"),
        ("endless-trailer", OSError, r"more than 1,000,000 bytes of headers came; 1 bytes are kept"),
        ("other-part", OSError, r"sends another part of the file than it was asked for; nothing came"),
        ("to-nothing", ValueError, r"/to-nothing/a: leads to no address of a file \((?!.*s3cr3t)"),
        ("loop", ValueError, r"more than 10 redirects, the last to http://127"),
        ("to-file", ValueError, r"file:///etc/passwd: not an address of a file"),
        ("to-ftp", ValueError, r"ftp://127.0.0.1/x: not an address of a file"),
    ],
)
def test_a_download_without_end_ends(server, tmp_path, path, kind, words):
    with pytest.raises(kind, match=words):
        download.download(f"{server.url}/{path}/a", tmp_path)
    kept = [file.stat().st_size for file in tmp_path.rglob("*") if file.is_file()]
    assert sum(kept) < 3000, "what is given up takes no room"


@pytest.mark.parametrize("host", ["a" * 70 + ".org", "a..org"])
def test_a_name_that_no_host_has_is_named(tmp_path, host):
    with pytest.raises(ValueError, match=rf"http://{host}/x: not an address of a file"):
        download.download(f"http://{host}/x", tmp_path)


def test_a_file_for_which_the_disk_has_no_room_is_not_begun(server, tmp_path, monkeypatch):
    monkeypatch.setattr(download.shutil, "disk_usage", lambda folder: type("Room", (), {"free": 5 * 10**9}))
    with pytest.raises(ValueError, match=r"announces 99.0 GB, .* \(DOWNLOAD_CACHE\) has 5.0 GB free"):
        download.download(f"{server.url}/larger-than-the-disk/a", tmp_path)


@pytest.mark.parametrize("path", ["file", "longer-than-said", "no-number", "endless-redirect"])
def test_what_is_odd_and_ends_is_downloaded(server, tmp_path, path):
    assert download.download(f"{server.url}/{path}/a", tmp_path).read_bytes() == b"abc"


@pytest.mark.parametrize(("path", "second"), [("to-same", PASSWORD), ("to-other", None)])
def test_a_password_goes_to_its_own_host(server, path, second, caplog):
    address = server.url.replace("http://", "http://user:p%40ss@")
    with open_url(f"{address}/{path}/a", {}) as response:
        assert response.read() == b"abc"
    assert server.seen == [(f"/{path}/a", PASSWORD), ("/file/a", second)]


def test_a_hidden_password_is_asked_for_again_unless_the_file_is_there(server, tmp_path):
    """Files of a run hold *** in its place."""
    found = download.download(f"{server.url.replace('http://', 'http://user:s3cr3t@')}/file/a", tmp_path)
    assert found.read_bytes() == b"abc" and "s3cr3t" not in str(found)
    hidden = server.url.replace("http://", "http://***@")
    assert download.download(f"{hidden}/file/a", tmp_path) == found
    with pytest.raises(ValueError, match=r"its password was left out where it was stored"):
        download.download(f"{hidden}/file/b", tmp_path)
