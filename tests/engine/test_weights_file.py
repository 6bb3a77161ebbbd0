"""TRAIN.WEIGHTS and TEST.WEIGHTS from an address: downloaded once, by one of the processes."""

import functools
import http.server
import threading

import pytest
import torch

from pycls import engine
from pycls.core.checkpoint import last_path, load_checkpoint, save_checkpoint
from pycls.core.config import dump_cfg
from pycls.engine.convert import convert_weights
from pycls.models import build_model
from tests.engine.runs import tiny_cfg


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A server of files that keeps no log but counts."""

    def do_GET(self):
        self.server.asked.append(self.path)
        super().do_GET()

    def log_message(self, *args):
        pass


@pytest.fixture
def server(tmp_path):
    """Serve an untrained digits network as net.pyth and net.safetensors."""
    (tmp_path / "served").mkdir()
    cfg = tiny_cfg(tmp_path)
    torch.manual_seed(5)
    state = {"model_state": build_model(cfg).state_dict(), "cfg": dump_cfg(cfg), "pixels": {}}
    save_checkpoint(state | {"classes": list("0123456789")}, tmp_path / "served/net.pyth")
    convert_weights(str(tmp_path / "served/net.pyth"), tmp_path / "served/net.safetensors", "safetensors")
    handler = functools.partial(Quiet, directory=str(tmp_path / "served"))
    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    running.asked, running.url = [], f"http://127.0.0.1:{running.server_port}"
    threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
    yield running
    running.shutdown()
    running.server_close()


def test_evaluation_from_an_address_and_from_safetensors(server, tmp_path):
    keys = {"DOWNLOAD_CACHE": tmp_path / "cache", "NUM_GPUS": 2}
    two = engine.test(tiny_cfg(tmp_path / "a", TEST__WEIGHTS=f"{server.url}/net.pyth", **keys))
    path = tmp_path / "served/net.safetensors"
    one = engine.test(tiny_cfg(tmp_path / "b", TEST__WEIGHTS=path))
    assert two.count == one.count == 355 and two.top1_err == one.top1_err
    assert two.loss == pytest.approx(one.loss, abs=1e-6) and server.asked == ["/net.pyth"]


def test_training_starts_from_an_address(server, tmp_path):
    keys = {"OPTIM__MAX_EPOCH": 1, "OPTIM__BASE_LR": 0.0, "BN__USE_PRECISE_STATS": False}
    url, cache = f"{server.url}/net.safetensors", tmp_path / "cache"
    engine.train(tiny_cfg(tmp_path / "run", TRAIN__WEIGHTS=url, DOWNLOAD_CACHE=cache, **keys))
    saved = load_checkpoint(last_path(tmp_path / "run"))
    wanted = load_checkpoint(tmp_path / "served/net.pyth")["model_state"]
    assert all(torch.equal(saved["model_state"][name], wanted[name]) for name in wanted if name.endswith("weight"))
    assert server.asked == ["/net.safetensors"]
    assert [path.name for path in cache.rglob("*.safetensors") if path.is_file()] == ["net.safetensors"]


def test_a_wrong_address_is_told_before_processes_start(server, tmp_path):
    with pytest.raises(ValueError, match=r"none\.pyth: the server answers 404"):
        engine.test(tiny_cfg(tmp_path, TEST__WEIGHTS=f"{server.url}/none.pyth", DOWNLOAD_CACHE=tmp_path))
