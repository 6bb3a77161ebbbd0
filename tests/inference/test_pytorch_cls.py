"""Checkpoints of pytorch-cls: their configs hold keys and a section of networks that are not here."""

import csv
import json

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from pycls.core.config import load_cfg, load_cfg_text
from pycls.core.weights.files import load_tensor_file
from pycls.engine.test import load_model
from pycls.inference.saved_network import load_network
from pycls.models import build_model
from tests.helpers.commands import pycls_here
from tests.helpers.model_records import load_record
from tests.helpers.parity_fill import make_input, values_for
from tests.helpers.pytorch_cls import EN_B0, pytorch_cls_tree, save_pytorch_cls
from tests.helpers.runs import overrides

TREE = pytorch_cls_tree(
    MODEL={"TYPE": "anynet"},
    ANYNET={
        "STEM_TYPE": "res_stem_cifar",
        "STEM_W": 8,
        "BLOCK_TYPE": "res_basic_block",
        "DEPTHS": [1, 1],
        "WIDTHS": [8, 16],
        "STRIDES": [1, 2],
    },
)


@pytest.fixture
def checkpoint(tmp_path):
    """The file, and logits of its network for one image of one color."""
    keys = {f"{section}.{name}": value for section in ("MODEL", "ANYNET") for name, value in TREE[section].items()}
    torch.manual_seed(3)
    model = build_model(load_cfg(None, overrides(keys | {"TRAIN.IM_SIZE": 16}))).eval()
    save_pytorch_cls(tmp_path / "model_best.pyth", model.state_dict(), TREE)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    images = ((torch.tensor([200, 90, 30]) / 255 - mean) / std).view(1, 3, 1, 1).expand(1, 3, 16, 16)
    with torch.inference_mode():
        return tmp_path / "model_best.pyth", model(images).softmax(1)[0]


def test_predict_names_what_is_on_images_and_sets_foreign_keys_aside_in_one_line(checkpoint, tmp_path):
    path, probs = checkpoint
    Image.new("RGB", (20, 18), (200, 90, 30)).save(tmp_path / "a.png")
    done = pycls_here(
        "predict", tmp_path / "a.png", "--weights", path, "--jsonl", tmp_path / "a.jsonl", "DEVICE", "cpu"
    )
    assert done.returncode == 0, done.stderr
    (line,) = done.stderr.splitlines()
    names = ", ".join(f"DARTS.{name}" for name in sorted(TREE["DARTS"]))
    assert f"{names} mean nothing here and are ignored (its networks are not here)" in line
    found = {guess["index"]: guess["prob"] for guess in json.loads((tmp_path / "a.jsonl").read_text())["top"]}
    assert found == {index: pytest.approx(float(probs[index]), abs=1e-4) for index in probs.topk(5).indices.tolist()}


def test_a_network_of_darts_is_still_told(tmp_path):
    text = yaml.safe_dump(TREE | {"MODEL": {"TYPE": "darts"}})
    with pytest.warns(UserWarning, match="DARTS"):
        cfg = load_cfg_text(text, "a.pyth")
    with pytest.raises(ValueError, match=r"MODEL\.TYPE: unknown choice 'darts'"):
        build_model(cfg)


# ---- its EfficientNets, which have silu without saying so

EN = {"STRIDES": [1, 2], "DEPTHS": [1, 2], "WIDTHS": [16, 24], "EXP_RATIOS": [1, 6], "KERNELS": [3, 5], "HEAD_W": 64}
EN_YAML = """\
MODEL: {TYPE: effnet, NUM_CLASSES: 10}
EN: {STRIDES: [1, 2], DEPTHS: [1, 2], WIDTHS: [16, 24], EXP_RATIOS: [1, 6], KERNELS: [3, 5], HEAD_W: 64}
TRAIN: {DATASET: imagenet, IM_SIZE: 32, BATCH_SIZE: 8}
TEST: {DATASET: imagenet, IM_SIZE: 32, BATCH_SIZE: 8}
DATA_LOADER: {NUM_WORKERS: 2, WORLD_SIZE: 8}
NUM_GPUS: 1
"""


def filled(model):
    """Return its tensors with the values that the records were made with."""
    return {
        name: torch.from_numpy(values_for(name, tuple(tensor.shape), tensor.is_floating_point())).to(tensor.dtype)
        for name, tensor in model.state_dict().items()
    }


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_logits_of_its_b0_are_its_own(tmp_path):
    """Its B0 is pycls's with silu, tensor for tensor, whose logits are recorded; no loader of its but one shows BGR."""
    (tmp_path / "EN-B0_dds_8gpu.yaml").write_text(EN_B0)
    cfg = load_cfg(str(tmp_path / "EN-B0_dds_8gpu.yaml"), ["NUM_GPUS", "1", "DEVICE", "cpu"])
    with torch.device("meta"):
        tensors = filled(build_model(cfg))
    theirs = load_cfg_text(EN_B0, "b0", foreign=True)
    tree = pytorch_cls_tree(**{name: dict(theirs[name]) for name in ("EN",)}, MODEL={"TYPE": "effnet"})
    path = save_pytorch_cls(tmp_path / "model_best.pyth", tensors, tree)
    model = load_model(cfg, path, load_tensor_file(path)).eval()
    with torch.inference_mode():
        logits = model(make_input((1, 3, 224, 224)))[0]
    wanted = load_record("pycls_models.json")["dds_baselines/effnet/EN-B0_dds_8gpu.yaml"]["logits_first8"]
    torch.testing.assert_close(logits[:8].double(), torch.tensor(wanted).double(), rtol=0, atol=3e-6)


@pytest.fixture(scope="module")
def effnet(tmp_path_factory):
    """A folder with a checkpoint, its YAML, ten images; and the probabilities of each for the checkpoint's network."""
    folder = tmp_path_factory.mktemp("effnet")
    (folder / "en.yaml").write_text(EN_YAML)
    keys = {f"EN.{name}": value for name, value in EN.items()} | {"MODEL.TYPE": "effnet", "TRAIN.IM_SIZE": 32}
    model = build_model(load_cfg(None, overrides(keys | {"MODEL.ACTIVATION_FUN": "silu"}))).eval()
    model.load_state_dict(filled(model))
    model.head.fc.weight.data *= 50  # one network's probabilities are far from another's
    tree = pytorch_cls_tree(MODEL={"TYPE": "effnet"}, EN=EN, TRAIN={"IM_SIZE": 32}, TEST={"IM_SIZE": 32})
    save_pytorch_cls(folder / "model_best.pyth", model.state_dict(), tree)
    rng, images = np.random.default_rng(0), []
    for number in range(10):
        images.append(rng.integers(0, 255, (32, 32, 3)).astype(np.uint8))
        for split in ("train", "val"):
            (folder / f"photos/{split}/{number}").mkdir(parents=True)
            Image.fromarray(images[-1]).save(folder / f"photos/{split}/{number}/a.png")
    pixels = (np.stack(images) / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    with torch.inference_mode():
        return folder, model(torch.from_numpy(pixels.transpose(0, 3, 1, 2)).float()).softmax(1)


def top(probs):
    return [(int(row.argmax()), pytest.approx(float(row.max()), abs=1e-4)) for row in probs]


WORDS = ["DEVICE", "cpu", "DATA_LOADER.BACKEND", "custom"]


@pytest.mark.parametrize("cfg", [[], ["--cfg", "en.yaml"]])
def test_predictions_are_its_own(effnet, tmp_path, cfg):
    folder, probs = effnet
    words = ["predict", "photos/val", "--weights", "model_best.pyth", *cfg, "--jsonl", tmp_path / "a.jsonl", *WORDS]
    done = pycls_here(*words, cwd=folder)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line)["top"][0] for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert [(row["index"], row["prob"]) for row in rows] == top(probs)


def test_an_evaluation_is_its_own_with_its_yaml_and_its_whole_tree(effnet, tmp_path):
    folder, probs = effnet
    (tmp_path / "config.yaml").write_text(torch.load(folder / "model_best.pyth", weights_only=True)["cfg"])
    for number, file in enumerate((folder / "en.yaml", tmp_path / "config.yaml")):
        out = tmp_path / f"out{number}"
        words = ["--cfg", file, "DATA_DIR", "photos", "TEST.WEIGHTS", folder, "OUT_DIR", out, *WORDS]
        done = pycls_here("test", *words, cwd=folder)
        assert done.returncode == 0, done.stderr
        with open(out / "test_predictions.csv") as lines:
            rows = list(csv.DictReader(lines))
        assert [(int(row["predicted"]), float(row["prob1"])) for row in rows] == top(probs), rows[0]


@pytest.mark.parametrize("to", ["ours", "safetensors", "pycls"])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_what_it_is_converted_to_computes_the_same(effnet, tmp_path, to):
    folder, _ = effnet
    target = tmp_path / {"safetensors": "a.safetensors"}.get(to, "a.pyth")
    done = pycls_here("convert", folder / "model_best.pyth", target, "--to", to)
    assert done.returncode == 0, done.stderr
    assert same_logits(load_network(str(target)).model, load_network(str(folder / "model_best.pyth")).model)
    if to == "pycls":  # its loader shows BGR, and its config is for pycls to read
        saved = torch.load(target, weights_only=True)
        assert "BGR" in done.stdout and not {"DARTS", "MB"} & set(yaml.safe_load(saved["cfg"]))
        assert yaml.safe_load(saved["cfg"])["MODEL"]["ACTIVATION_FUN"] == "silu"


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_what_is_exported_computes_the_same(tmp_path):
    """One block is enough: to trace the other tests' network takes seconds."""
    en = {"STRIDES": [2], "DEPTHS": [1], "WIDTHS": [8], "EXP_RATIOS": [1], "KERNELS": [3], "HEAD_W": 8, "STEM_W": 8}
    keys = {f"EN.{name}": value for name, value in en.items()} | {"MODEL.TYPE": "effnet", "TRAIN.IM_SIZE": 32}
    model = build_model(load_cfg(None, overrides(keys | {"MODEL.ACTIVATION_FUN": "silu"}))).eval()
    model.load_state_dict(filled(model))
    tree = pytorch_cls_tree(MODEL={"TYPE": "effnet"}, EN=en, TRAIN={"IM_SIZE": 32})
    path = save_pytorch_cls(tmp_path / "model_best.pyth", model.state_dict(), tree)
    done = pycls_here("export", path, tmp_path / "a.pt2", "--format", "torch")
    assert done.returncode == 0, done.stderr
    assert same_logits(torch.export.load(str(tmp_path / "a.pt2")).module(), model)


def same_logits(one, other):
    with torch.inference_mode():
        return torch.allclose(*(model(make_input((2, 3, 32, 32))) for model in (one, other)), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    "words",
    [
        ["test", "--cfg", "relu.yaml", "DATA_DIR", "photos", "TEST.WEIGHTS", "model_best.pyth", "OUT_DIR", "{out}"],
        ["predict", "photos/val", "--cfg", "relu.yaml", "--weights", "model_best.pyth", "--csv", "{out}"],
        ["predict", "photos/val", "--weights", "model_best.pyth", "--csv", "{out}", "MODEL.ACTIVATION_FUN", "relu"],
        ["export", "model_best.pyth", "{out}", "--format", "torch", "--cfg", "relu.yaml"],
        ["convert", "model_best.pyth", "{out}", "--to", "ours", "--cfg", "relu.yaml"],
        ["convert", "model_best.pyth", "{out}", "--to", "pycls", "--cfg", "relu.yaml"],
        ["convert", "model_best.pyth", "{out}", "--to", "torchvision", "--cfg", "relu.yaml"],
    ],
)
def test_another_activation_is_refused(effnet, tmp_path, words):
    folder, _ = effnet
    (folder / "relu.yaml").write_text(EN_YAML.replace("TYPE: effnet", "TYPE: effnet, ACTIVATION_FUN: relu"))
    done = pycls_here(*(word.format(out=tmp_path / "out.pt2") for word in words), cwd=folder)
    said = done.stderr.splitlines()[-1]
    assert done.returncode == 2 and "its network has MODEL.ACTIVATION_FUN silu, this config says relu" in said
    assert not (tmp_path / "out.pt2/test.json").exists() and not (tmp_path / "out.pt2").is_file()
