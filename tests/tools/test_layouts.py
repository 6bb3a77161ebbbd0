"""Every layout of data by the command line: trained on, evaluated, predicted; and what each refuses in one line."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from pycls.core.weights.files import load_tensor_file
from tests.helpers.layouts import CLASSES, LAYOUTS, layout_words, one_list, write_flat, write_folders, write_list
from tests.helpers.runs import run_tool_here, tiny_words

ERROR = "error: "


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PYCLS_CACHE_DIR", str(tmp_path / "cache"))


def words_for(data: list[str], out_dir: Path, **keys) -> list[str]:
    sizes = {"TRAIN__BATCH_SIZE": 6, "TEST__BATCH_SIZE": 5, "OPTIM__MAX_EPOCH": 1, "BN__USE_PRECISE_STATS": False}
    return [*tiny_words(out_dir, **(sizes | keys)), *data]


def tool(name: str, *words) -> str:
    done = run_tool_here(name, *words)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def refused(name: str, *words) -> str:
    done = run_tool_here(name, *words)
    assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stdout + done.stderr
    return done.stderr.partition(ERROR)[2].strip()


def data_words(root: Path) -> list[str]:
    return ["DATA_DIR", str(root), "TRAIN.DATASET", "imagenet", "TEST.DATASET", "imagenet", "MODEL.NUM_CLASSES", "3"]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_trained_on_evaluated_and_predicted(layout, tmp_path):
    data = layout_words(layout, tmp_path / "data")
    words = words_for(data, tmp_path / "run")
    assert "on 6 images" in tool("train_net.py", *words)
    weights = tmp_path / "run/checkpoints/best.pyth"
    assert load_tensor_file(weights)["classes"] == list(CLASSES)
    (tmp_path / "names.txt").unlink(missing_ok=True)
    assert "on 6 images" in tool("test_net.py", *words)
    photos = write_folders(tmp_path / "photos") / "val"
    told = tool("predict.py", photos, "--weights", weights, "--topk", 1)
    assert len(told.splitlines()) == 6 and all(line.split(": ")[1].split()[0] in CLASSES for line in told.splitlines())
    resumed = tool("train_net.py", *words_for(data, tmp_path / "run", OPTIM__MAX_EPOCH=1))
    assert "cannot be compared" not in resumed


def test_the_answers_to_a_split_that_is_not_there_do_not_send_in_circles(tmp_path):
    """The report of a user: train/ and valid/, and then what the message says."""
    for names in (("train", "valid"), ("Training", "test")):
        root = write_folders(tmp_path / "_".join(names), names)
        out = tool("train_net.py", *words_for(data_words(root), tmp_path / "run" / names[1]))
        assert f"TEST.SPLIT val: there is none in {root}, '{names[1]}' is taken" in out
        explicit = [*data_words(root), "TRAIN.SPLIT", names[0], "TEST.SPLIT", names[1]]
        assert "is taken" not in tool("train_net.py", *words_for(explicit, tmp_path / "again" / names[1]))
    root = write_folders(tmp_path / "odd", ("train", "holdout"))
    message = refused("train_net.py", *words_for(data_words(root), tmp_path / "odd_run"))
    assert "(there: holdout, train): set TEST.SPLIT to the name of what is there" in message
    tool("train_net.py", *words_for([*data_words(root), "TEST.SPLIT", "holdout"], tmp_path / "odd_run"))


def test_two_splits_that_could_be_meant_are_refused(tmp_path):
    root = write_folders(write_folders(tmp_path / "data", ("train", "valid")), ("train", "dev"))
    message = refused("train_net.py", *words_for(data_words(root), tmp_path / "run"))
    assert message == f"{root} holds dev and valid, but no 'val': set TEST.SPLIT to the one that counts"
    tool("train_net.py", *words_for([*data_words(root), "TEST.SPLIT", "dev"], tmp_path / "run"))


def test_what_is_split_already_is_not_divided(tmp_path):
    file = one_list(tmp_path / "data")
    words = words_for([*data_words(file), "DATA.VAL_FRACTION", "0.25"], tmp_path / "run")
    message = refused("train_net.py", *words)
    assert "holds both 'train' and 'val', so nothing needs to be split off" in message
    assert "images to train on" in tool("train_net.py", *words, "TEST.SPLIT", "train")
    message = refused("train_net.py", *words, "TEST.SPLIT", "none")
    assert "TEST.SPLIT none evaluates on nothing, DATA.VAL_FRACTION holds images out for that" in message


def test_a_run_without_test_images(tmp_path):
    root = write_folders(tmp_path / "data", ("train", "elsewhere"))
    words = words_for([*data_words(root), "TEST.SPLIT", "none"], tmp_path / "run", OPTIM__MAX_EPOCH=2)
    out = tool("train_net.py", *words)
    assert "No error is known" in out and "Top-1" not in out and "curves.png" in out
    records = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    assert not [record for record in records if record["_type"].startswith("test")]
    best, last = (load_tensor_file(tmp_path / f"run/checkpoints/{name}.pyth") for name in ("best", "last"))
    assert best["epoch"] == last["epoch"] == 1
    assert "No error is known" in tool("train_net.py", *words)  # started again
    assert "nothing to evaluate" in refused("test_net.py", *words)
    assert "on 6 images" in tool("test_net.py", *words, "TEST.SPLIT", "elsewhere")
    photos = root / "elsewhere"
    assert len(tool("predict.py", photos, "--weights", tmp_path / "run/checkpoints/best.pyth").splitlines()) == 6


def test_a_class_absent_from_val_is_allowed_on_request(tmp_path):
    root = write_folders(tmp_path / "data")
    for image in (root / "val" / "bee").iterdir():
        image.unlink()
    words = words_for(data_words(root), tmp_path / "run")
    assert "1 class without images: bee" in refused("train_net.py", *words)
    (root / "val" / "bee").rmdir()
    message = refused("train_net.py", *words)
    assert message == f"{root}/val lacks 1 class that {root}/train has: bee; DATA.MISSING_CLASSES True allows that"
    allowed = [*words, "DATA.MISSING_CLASSES", "True"]
    assert "on 4 images" in tool("train_net.py", *allowed)
    rows = (tmp_path / "run/test_per_class.csv").read_text().splitlines()
    assert [row.split(",")[:2] for row in rows[1:]] == [["ant", "2"], ["bee", "0"], ["cat", "2"]]
    assert "classes of the network" not in tool("test_net.py", *allowed)
    (root / "val" / "bee").mkdir()
    assert "on 4 images" in tool("test_net.py", *allowed)
    (root / "val" / "bee").rename(root / "val" / "zebra")
    assert f"{root}/train lacks 1 class that {root}/val has: zebra" in refused("train_net.py", *allowed)


def test_a_part_of_the_classes_is_evaluated_on_their_outputs_alone(tmp_path):
    """As ImageNet-A and -R: top-1, top-5 and the tables against numpy on the network's own logits."""
    root, part = write_folders(tmp_path / "data"), write_folders(tmp_path / "part", ("train", "val"))
    tool("train_net.py", *words_for(data_words(root), tmp_path / "run"))
    for split in ("train", "val"):
        (part / split / "bee").rename(part / f"{split}_bee")
    words = words_for(data_words(part), tmp_path / "run")
    out = tool("test_net.py", *words)
    assert "The data have 2 of the 3 classes of the network" in out
    summary = json.loads((tmp_path / "run/test.json").read_text())
    assert (summary["classes"], summary["classes_of_network"], summary["count"]) == (2, 3, 4)
    tool(
        "predict.py", part / "val", "--weights", tmp_path / "run/checkpoints/best.pyth", "--jsonl", tmp_path / "p.jsonl"
    )
    lines = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text().splitlines()]
    guesses = []
    for line in lines:
        probs = {top["class"]: top["prob"] for top in line["top"]}
        guesses.append((Path(line["path"]).parent.name, max(("ant", "cat"), key=probs.get)))
    wrong = np.mean([true != guess for true, guess in guesses])
    assert summary["top1_err"] == pytest.approx(100 * wrong) and summary["top5_err"] == 0
    rows = [row.split(",") for row in (tmp_path / "run/test_confusion.csv").read_text().splitlines()]
    counted = [[sum(pair == (true, guess) for pair in guesses) for guess in ("ant", "cat")] for true in ("ant", "cat")]
    assert rows == [
        ["true\\predicted", "ant", "cat"],
        *([n, *map(str, c)] for n, c in zip(("ant", "cat"), counted, strict=True)),
    ]
    assert "classes of the network" not in tool("test_net.py", *words, "DATA.MISSING_CLASSES", "True")
    whole = json.loads((tmp_path / "run/test.json").read_text())
    flat = [*data_words(part / "val"), "DATA.VAL_FRACTION", "1"]  # class folders without splits, as ImageNet-A has
    assert "on 4 images" in tool("test_net.py", *words_for(flat, tmp_path / "run"))
    assert json.loads((tmp_path / "run/test.json").read_text())["top1_err"] == summary["top1_err"]
    assert "classes" not in whole and whole["top1_err"] >= summary["top1_err"]


def test_weights_without_names_take_them_from_a_class_file(tmp_path):
    root, part = write_folders(tmp_path / "data"), write_folders(tmp_path / "part")
    tool("train_net.py", *words_for(data_words(root), tmp_path / "run"))
    saved = load_tensor_file(tmp_path / "run/checkpoints/best.pyth")
    torch.save({key: value for key, value in saved.items() if key != "classes"}, tmp_path / "bare.pyth")
    for split in ("train", "val"):
        (part / split / "ant").rename(part / f"{split}_ant")
    names = tmp_path / "names.txt"
    names.write_text("0 ant\n1 bee\n2 cat\n")
    words = words_for([*data_words(part), "TEST.WEIGHTS", str(tmp_path / "bare.pyth")], tmp_path / "out")
    assert "DATA.CLASSES FILE names those of the network" in refused("test_net.py", *words)
    tool("test_net.py", *words, "DATA.CLASSES", names)
    by_file = json.loads((tmp_path / "out/test.json").read_text())
    tool("test_net.py", *words_for(data_words(part), tmp_path / "run"))
    by_checkpoint = json.loads((tmp_path / "run/test.json").read_text())
    assert [by_file[key] for key in ("top1_err", "loss", "classes")] == [
        by_checkpoint[key] for key in ("top1_err", "loss", "classes")
    ]
    names.write_text("ant\nbee\ncow\n")
    message = refused("test_net.py", *words_for([*data_words(part), "DATA.CLASSES", names], tmp_path / "run"))
    assert f"DATA.CLASSES {names} lacks 1 class that {part}/val has: cat" in message
    names.write_text("bee\nant\ncat\n")
    message = refused("test_net.py", *words_for([*data_words(part), "DATA.CLASSES", names], tmp_path / "run"))
    assert "class 0 is 'ant' in the checkpoint and 'bee' in DATA.CLASSES" in message
    message = refused("predict.py", part, "--weights", tmp_path / "run/checkpoints/best.pyth", "DATA.CLASSES", names)
    assert "class 0 is 'ant' in the checkpoint and 'bee' in DATA.CLASSES" in message


@pytest.mark.parametrize(("text", "message"), [("a\0", "holds zero bytes"), ("a\nb\n", "MODEL.NUM_CLASSES is 3, but")])
def test_a_class_file_is_checked_before_anything_is_written(tmp_path, text, message):
    root, names = write_folders(tmp_path / "data"), tmp_path / "names.txt"
    names.write_text(text)
    words = words_for([*data_words(root), "DATA.CLASSES", names], tmp_path / "run")
    assert message in refused("train_net.py", *words) and not (tmp_path / "run").exists()


def test_files_that_a_list_names_and_are_not_there(tmp_path):
    file = one_list(tmp_path / "data")
    (tmp_path / "data/images/t01.png").unlink()
    (tmp_path / "data/images/v20.png").unlink()
    words = words_for(data_words(file), tmp_path / "run")
    message = refused("train_net.py", *words)
    assert f"{file}: 1 of 18 images of 'train' are not there: images/t01.png" in message and "ON_BAD_IMAGE" in message
    out = tool("train_net.py", *words, "DATA_LOADER.ON_BAD_IMAGE", "skip")
    assert "on 5 images; 1 image could not be read and was LEFT OUT" in out


def test_a_list_without_splits(tmp_path):
    rows = [(f"images/{name}", label) for name, label, _ in write_flat(tmp_path / "data/images")]
    file = write_list(tmp_path / "data/photos.csv", rows, ("path", "label"))
    words = words_for(data_words(file), tmp_path / "run")
    message = refused("train_net.py", *words)
    assert f"{file} does not say which images are 'train' (TRAIN.SPLIT)" in message
    assert "a column 'split'" in message and "DATA.VAL_FRACTION 0.2" in message
    assert f"DATA_DIR to the list {file}" in refused(
        "train_net.py", *words_for(data_words(file.parent), tmp_path / "x")
    )
    divided = words_for([*data_words(file), "DATA.VAL_FRACTION", "0.25"], tmp_path / "divided")
    out = tool("train_net.py", *divided)
    trained, held_out = (int(n) for n in re.search(r"(\d+) images to train on and (\d+) to validate", out).groups())
    assert trained + held_out == 24 and f"on {held_out} images" in out
    assert "on 24 images" in tool("test_net.py", *divided, "DATA.VAL_FRACTION", "1")
    everything = words_for([*data_words(file), "TEST.SPLIT", "none"], tmp_path / "everything")
    assert "24 images to train on and none to validate" in tool("train_net.py", *everything)
    alone = write_list(tmp_path / "data/val.csv", rows, ("path", "label"))
    train = write_list(tmp_path / "data/train.csv", rows, ("path", "label"))
    assert "on 24 images" in tool("train_net.py", *words_for(data_words(tmp_path / "data"), tmp_path / "run"))
    assert "on 24 images" in tool("test_net.py", *words_for(data_words(alone), tmp_path / "run"))
    nothing = [*data_words(train), "TEST.SPLIT", "none"]
    assert "No error is known" in tool("train_net.py", *words_for(nothing, tmp_path / "other"))
