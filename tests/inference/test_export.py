"""Exported networks compute the same on real photographs, for batches of any size, and say what they must be fed."""

import dataclasses
import json
import resource
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pycls.core.checkpoint import save_checkpoint
from pycls.core.config import dump_cfg, load_cfg
from pycls.inference import export as module
from pycls.inference.export import export, metadata
from pycls.inference.predict import predict, predict_words
from pycls.inference.saved_network import load_network
from pycls.models import build_model
from tests.helpers.model_records import cfg_of
from tests.helpers.photographs import load

KEYS = {
    "MODEL.TYPE": "effnet",
    "MODEL.NUM_CLASSES": 5,
    "EN.DEPTHS": [1, 2],
    "EN.WIDTHS": [16, 24],
    "EN.STRIDES": [1, 2],
    "EN.EXP_RATIOS": [1, 6],
    "EN.KERNELS": [3, 5],
    "EN.TF_PADDING": True,
    "TRAIN.DATASET": "imagenet",
    "TEST.DATASET": "imagenet",
    "TRAIN.IM_SIZE": 64,
    "TEST.IM_SIZE": 72,
}
CLASSES = ["cat", "cup", "chien énorme", "pomme", "x"]


@pytest.fixture
def network(tmp_path):
    torch.manual_seed(0)
    cfg = cfg_of(KEYS)
    model = build_model(cfg)
    for module_ in model.modules():
        if isinstance(module_, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module_.running_var, 0.5, 1.5)
    torch.nn.init.normal_(model.head.fc.weight)
    state = {"model_state": model.state_dict(), "cfg": dump_cfg(cfg), "classes": CLASSES, "pixels": {}}
    save_checkpoint(state, tmp_path / "a.pyth")
    return load_network(str(tmp_path / "a.pyth"), None, predict_words())


@pytest.fixture
def photographs(tmp_path):
    (tmp_path / "photographs").mkdir()
    for name in ("chelsea.png", "coffee.png", "rocket.jpg"):
        load(name, (300, 200)).save(tmp_path / "photographs" / name)
    return tmp_path / "photographs"


def follow(pixels, file):
    """Prepare an image as the exported file says, with Pillow alone: float32 (1, 3, S, S)."""
    image = Image.open(file).convert("RGB")
    scale = pixels["resize_shorter_side"] / min(image.size)
    image = image.resize([round(side * scale) for side in image.size], Image.Resampling.BILINEAR)
    crop = pixels["center_crop"]
    left, top = (round((side - crop) / 2) for side in image.size)
    values = np.asarray(image.crop((left, top, left + crop, top + crop)), np.float32) / 255
    return ((values - pixels["mean"]) / pixels["std"]).astype(np.float32).transpose(2, 0, 1)[None]


def test_onnx(network, photographs, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    done = export(network, tmp_path / "out/a.onnx", "onnx", [str(photographs)])
    assert done.num_images == 3 and done.difference < 1e-4
    session = onnxruntime.InferenceSession(done.path)
    texts = session.get_modelmeta().custom_metadata_map
    check_logits(network, photographs, texts, lambda batch: session.run(None, {"images": batch})[0])
    assert session.get_inputs()[0].shape[1:] == [3, 64, 64] and isinstance(session.get_inputs()[0].shape[0], str)


def test_a_missing_package_is_named(network, tmp_path, monkeypatch):
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: None if name == "onnxscript" else name)
    with pytest.raises(ValueError, match="needs onnxscript: pip install onnx onnxscript onnxruntime"):
        export(network, tmp_path / "net.onnx", "onnx")
    assert not list(tmp_path.glob("*.onnx"))


def test_torch_export(network, photographs, tmp_path):
    done = export(network, tmp_path / "a.pt2", "torch", [str(photographs)])
    texts = dict.fromkeys(["pixels.txt", "classes.txt", "cfg.txt", "weights.txt"], "")
    program = torch.export.load(done.path, extra_files=texts).module()
    texts = {name.removesuffix(".txt"): text for name, text in texts.items()}
    check_logits(network, photographs, texts, lambda batch: program(torch.from_numpy(batch)).detach().numpy())


def check_logits(network, photographs, texts, run):
    """Fed as its own metadata says, the file finds the same classes as predict; batches of any size agree."""
    assert json.loads(texts["classes"]) == CLASSES and texts["weights"] == "a.pyth"
    (photographs / "cfg.yaml").write_text(texts["cfg"])
    assert load_cfg(str(photographs / "cfg.yaml")).EN.TF_PADDING
    files = sorted(photographs.glob("*.*g"))
    batch = np.concatenate([follow(json.loads(texts["pixels"]), file) for file in files])
    logits = run(batch)
    for row, prediction in zip(logits, predict(network, [str(file) for file in files]), strict=True):
        probs = np.exp(row - row.max()) / np.exp(row - row.max()).sum()
        assert prediction.probs == pytest.approx(probs[list(prediction.indices)], abs=0.02)
    np.testing.assert_allclose(run(batch[:1]), logits[:1], rtol=1e-4, atol=1e-4)
    with torch.no_grad():
        np.testing.assert_allclose(network.model(torch.from_numpy(batch)).numpy(), logits, rtol=1e-3, atol=1e-3)


def test_a_file_that_computes_something_else_is_not_kept(network, tmp_path, monkeypatch):
    def write_other(model, example, path, texts):
        torch.nn.init.zeros_(model.head.fc.weight)
        module._write_torch(model, example, path, texts)

    monkeypatch.setitem(module.FORMATS, "torch", (write_other, lambda path: lambda batch: torch.ones(len(batch), 5)))
    with pytest.raises(RuntimeError, match=r"a\.pt2: the exported network differs by"):
        export(network, tmp_path / "a.pt2", "torch")
    assert not list(tmp_path.glob("*pt2"))


def test_metadata_of_other_pixels(tmp_path, network):
    cfg = cfg_of(KEYS | {"DATA_LOADER.MEAN": [0.5, 0.5, 0.5], "DATA_LOADER.ANTIALIAS": False})
    state = {"model_state": build_model(cfg).state_dict(), "cfg": dump_cfg(cfg), "pixels": {}}
    save_checkpoint(state, tmp_path / "b.pyth")
    pixels = json.loads(metadata(load_network(str(tmp_path / "b.pyth")))["pixels"])
    assert pixels["mean"] == [0.5, 0.5, 0.5] and pixels["std"] == [0.229, 0.224, 0.225] and not pixels["antialias"]


def test_names_that_are_no_unicode_go_into_both_formats(network, tmp_path):
    classes = ("not\udcffunicode", *CLASSES[1:])
    odd = dataclasses.replace(network, path=Path("w\udcff.pyth"), classes=classes)
    texts = dict.fromkeys(["classes.txt", "weights.txt"], "")
    torch.export.load(export(odd, tmp_path / "a.pt2", "torch").path, extra_files=texts)
    assert tuple(json.loads(texts["classes.txt"])) == classes and texts["weights.txt"] == r"w\udcff.pyth"
    assert all(text.encode() for text in metadata(odd).values()), "what ONNX takes"


def test_a_network_without_a_data_set_is_described_as_one_for_imagenet(network):
    cfg = cfg_of(KEYS | {"TRAIN.DATASET": "", "TEST.DATASET": ""})
    pixels = json.loads(metadata(dataclasses.replace(network, cfg=cfg))["pixels"])
    assert pixels["mean"] == [0.485, 0.456, 0.406]


def test_a_file_that_does_not_fit_is_an_error_that_names_it_and_leaves_nothing(network, tmp_path, monkeypatch):
    def write(model, example, path, texts):
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))  # torch's own writer would abort the process
        try:
            of_kind(model, example, path, texts)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    of_kind, opened = module.FORMATS["torch"]
    monkeypatch.setitem(module.FORMATS, "torch", (write, opened))
    out = tmp_path / "out" / "net.pt2"
    with pytest.raises(OSError, match=f"File too large: '{out}'"):
        export(network, out, "torch")
    assert not list(out.parent.iterdir())
