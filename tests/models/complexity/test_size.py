"""Networks that no memory holds are refused before anything is allocated, and building one is not changed by that."""

import subprocess
import sys
from collections.abc import Sequence

import pytest
import torch

from pycls.core import machine
from pycls.core.config import load_cfg
from pycls.core.machine import free_memory_bytes
from pycls.models import build_model
from pycls.models.complexity import size
from tests.helpers.paths import ROOT

BASE = "MODEL.TYPE anynet TRAIN.IM_SIZE 32 ANYNET.STEM_TYPE res_stem_cifar ANYNET.BLOCK_TYPE res_basic_block"
STAGES = "ANYNET.DEPTHS [1,1] ANYNET.WIDTHS [8,16] ANYNET.STRIDES [1,2]"
SMALL = "TRAIN.IM_SIZE 32 TEST.IM_SIZE 32 TRAIN.DATASET digits"


def build(words: str | Sequence[str]) -> torch.nn.Module:
    return build_model(load_cfg(None, words.split() if isinstance(words, str) else words))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            f"{BASE} {STAGES} ANYNET.WIDTHS [1000000,1000000]",
            "MODEL.TYPE anynet: the network has 112,0.* GB of weights",
        ),
        (f"{BASE} {STAGES} ANYNET.HEAD_W 1000000 MODEL.NUM_CLASSES 10000000", "GB of weights, .* are free here; lower"),
        (f"{BASE} ANYNET.DEPTHS [1000,1000] ANYNET.WIDTHS [1,1] ANYNET.STRIDES [1,1]", "more than 600 tensors"),
        (f"MODEL.TYPE resnet MODEL.DEPTH 9998 {SMALL}", "MODEL.TYPE resnet: the network has more than 600 tensors"),
        (f"MODEL.TYPE vit {SMALL} VIT.HIDDEN_DIM 999996 VIT.MLP_DIM 1000000", "GB of weights"),
        (f"MODEL.TYPE pyramidnet MODEL.DEPTH 110 PYRAMIDNET.ALPHA 1000000 {SMALL}", "GB of weights"),
        ("MODEL.TYPE regnet REGNET.W0 999992 REGNET.GROUP_W 999992", "GB of weights"),
        ("MODEL.TYPE torchvision MODEL.NAME vgg11 MODEL.NUM_CLASSES 10000000", "torchvision: .* GB of weights"),
    ],
)
def test_what_has_no_room_is_refused(monkeypatch, words, says):
    monkeypatch.setattr(size, "_MOST_TENSORS", 600)
    with pytest.raises(ValueError, match=says):
        build(words)
    with torch.device("meta"):  # to count it is allowed, if it has an end
        if "tensors" in says:
            with pytest.raises(ValueError, match=says):
                build(words)


def test_what_just_fits_is_built(monkeypatch):
    words = f"{BASE} {STAGES}"
    num_bytes = sum(4 * parameter.numel() for parameter in build(words).parameters())
    monkeypatch.setattr(size, "free_memory_bytes", lambda: num_bytes)
    build(words)
    monkeypatch.setattr(size, "free_memory_bytes", lambda: num_bytes - 1)
    with pytest.raises(ValueError, match="GB of memory are free here"):
        build(words)


@pytest.mark.parametrize(
    "words", [f"{BASE} {STAGES}", "MODEL.TYPE torchvision MODEL.NAME regnet_y_400mf TRAIN.IM_SIZE 32"]
)
def test_looking_first_draws_no_number(monkeypatch, words):
    """Also where a library computes with real tensors meanwhile, as torchvision's RegNets do for their widths."""
    torch.manual_seed(3)
    found = build(words).state_dict()
    monkeypatch.setattr("pycls.models.build.check_size", lambda make, what: None)
    torch.manual_seed(3)
    expected = build(words).state_dict()
    assert all(torch.equal(found[name], value) for name, value in expected.items())


def test_free_memory_heeds_ulimit_and_cgroups(tmp_path, monkeypatch):
    code = "import resource; resource.setrlimit(resource.RLIMIT_AS, (10**9, 10**9))\n"
    code += "from pycls.core.machine import free_memory_bytes; print(free_memory_bytes())"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert 0 < int(done.stdout) < 10**9
    (tmp_path / "group").mkdir()
    files = {"memory.max": "500000000", "memory.current": "300000000", "memory.stat": "anon 1\ninactive_file 100000000"}
    for name, text in files.items():
        (tmp_path / "group" / name).write_text(text)
    (tmp_path / "membership").write_text("0::/group\n")
    monkeypatch.setattr(machine, "_MOUNT", tmp_path)
    monkeypatch.setattr(machine, "_MEMBERSHIP", tmp_path / "membership")
    assert free_memory_bytes() == 300_000_000
