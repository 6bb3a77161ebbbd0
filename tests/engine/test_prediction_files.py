"""What test_net writes of single images: the table against scikit-learn and numpy, features against layers cut off."""

import csv

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, top_k_accuracy_score
from torch import nn

from pycls.core.checkpoint import best_path, load_checkpoint
from pycls.core.config import load_cfg
from pycls.datasets import build_loader
from pycls.engine import test as evaluate_weights
from pycls.engine import train
from pycls.engine.network.features import recorded_features
from pycls.models import build_model
from tests.helpers.runs import DIGITS, run_tool_here, tiny_cfg, tiny_words

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    out_dir = tmp_path_factory.mktemp("run")
    train(tiny_cfg(out_dir, OPTIM__MAX_EPOCH=1))
    return out_dir


def read_table(out_dir):
    with (out_dir / "test_predictions.csv").open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        return list(csv.DictReader(file))


def own_pass(out_dir, flip=False):
    """Return features (N, D) and logits (N, K) of the checkpoint, in float64, without the code under test."""
    cfg = tiny_cfg(out_dir)
    model = build_model(cfg)
    model.load_state_dict(load_checkpoint(best_path(out_dir))["model_state"])
    model = model.double().eval()
    loader = build_loader(cfg, "test", CPU)
    images = torch.cat([batch.images for batch in loader.epoch(0)]).double()
    loader.close()
    cut = nn.Sequential(model.stem, model.s1, model.s2, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with torch.no_grad():
        views = [cut(view) for view in ([images, images.flip(3)] if flip else [images])]
        features = sum(views) / len(views)
        return features.numpy(), model.head.fc(features).numpy(), loader.samples


@pytest.mark.parametrize("flip", [False, True])
def test_table_and_features(trained, tmp_path, flip):
    words = tiny_words(tmp_path, TEST__WEIGHTS=best_path(trained), TEST__FEATURES=True, TEST__HFLIP=flip)
    done = run_tool_here("test_net.py", "--cfg", DIGITS, *words)
    assert done.returncode == 0, done.stderr
    assert "test_predictions.csv" in done.stdout and "test_features.npy" in done.stdout
    features, logits, samples = own_pass(trained, flip)
    rows, found = read_table(tmp_path), np.load(tmp_path / "test_features.npy")
    assert found.dtype == np.float32 and found.shape == (355, 16) == features.shape
    np.testing.assert_allclose(found, features, rtol=1e-4, atol=1e-5)
    probs = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    ranked = np.argsort(-probs, axis=1)[:, :5]
    assert [row["path"] for row in rows] == [samples.name(i) for i in range(355)]
    for k in range(5):
        assert [row[f"class{k + 1}"] for row in rows] == [str(c) for c in ranked[:, k]]
        np.testing.assert_allclose([float(row[f"prob{k + 1}"]) for row in rows], np.sort(probs)[:, -1 - k], atol=1e-5)
    assert [row["label"] for row in rows] == [str(label) for label in samples.labels]
    assert [row["predicted"] for row in rows] == [row["class1"] for row in rows]
    own = probs[np.arange(355), samples.labels]
    np.testing.assert_allclose([float(row["label_prob"]) for row in rows], own, atol=1e-5)
    right = [int(row["right"]) for row in rows]
    accuracy = accuracy_score(samples.labels, ranked[:, 0])
    assert np.mean(right) == accuracy and f"accuracy {100 * accuracy:.2f} %" in done.stdout
    in_five = np.mean([row["label"] in [row[f"class{k}"] for k in range(1, 6)] for row in rows])
    assert in_five == top_k_accuracy_score(samples.labels, probs, k=5)


def test_three_processes_write_the_same(trained, tmp_path):
    for count in (1, 3):
        words = {"TEST__WEIGHTS": best_path(trained), "TEST__FEATURES": True, "NUM_GPUS": count}
        evaluate_weights(tiny_cfg(tmp_path / str(count), **words))
    tables = [(tmp_path / name / "test_predictions.csv").read_text() for name in "13"]
    features = [np.load(tmp_path / name / "test_features.npy") for name in "13"]
    assert tables[0] == tables[1]
    np.testing.assert_allclose(*features, rtol=1e-5, atol=1e-6)
    assert not list((tmp_path / "3").glob(".*"))


def test_features_of_an_earlier_evaluation_do_not_stay(trained, tmp_path):
    (tmp_path / "test_features.npy").touch()
    evaluate_weights(tiny_cfg(tmp_path, TEST__WEIGHTS=best_path(trained)))
    assert not (tmp_path / "test_features.npy").exists() and len(read_table(tmp_path)) == 355


def test_where_there_are_none_it_is_told(trained, tmp_path):
    with pytest.raises(ValueError, match=r"TEST\.FEATURES True: .*TEST\.COMPILE False"):
        evaluate_weights(tiny_cfg(tmp_path / "a", TEST__FEATURES=True, TEST__COMPILE=True))
    done = run_tool_here("train_net.py", "--cfg", DIGITS, *tiny_words(tmp_path / "b", TEST__FEATURES=True))
    assert done.returncode == 2 and "TEST.FEATURES is not read by train: test writes features" in done.stderr
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Flatten())
    with (
        pytest.raises(ValueError, match="the last layer of Sequential is no classifier"),
        recorded_features(model, tmp_path / "x.npy"),
    ):
        model(torch.zeros(1, 3, 2, 2))
    assert not list(tmp_path.iterdir())


# A network of each kind of classifier, with what takes the classifier away in its own library.
FOREIGN = {
    "torchvision resnet18": (lambda model: setattr(model, "fc", nn.Identity()), 512),
    "torchvision squeezenet1_1": (lambda model: setattr(model, "classifier", nn.AdaptiveAvgPool2d(1)), 512),
    "torchvision vit_b_32": (lambda model: setattr(model, "heads", nn.Identity()), 768),
    "timm resnet10t": (lambda model: model.reset_classifier(0), 512),
    "timm swin_tiny_patch4_window7_224": (lambda model: model.reset_classifier(0), 768),
}


@pytest.mark.parametrize("network", FOREIGN)
def test_networks_of_other_libraries(tmp_path, network):
    cut, width = FOREIGN[network]
    library, name = network.split()
    size = 224 if ("vit" in name or "swin" in name) else 64
    words = ["MODEL.TYPE", library, "MODEL.NAME", name, "MODEL.NUM_CLASSES", "7", "TRAIN.IM_SIZE", str(size)]
    model = build_model(load_cfg(None, words)).eval()
    images = torch.randn(2, 3, size, size)
    with torch.no_grad(), recorded_features(model, tmp_path / "f.npy"):
        model(images[:1])
        model(images[1:])
    cut(model)
    with torch.no_grad():
        expected = model(images).flatten(1).numpy()
    found = np.load(tmp_path / "f.npy")
    assert found.shape == (2, width)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)
