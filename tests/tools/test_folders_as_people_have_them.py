"""Training, packing, checking and predicting on folders with odd names, odd endings and odd things in them."""

import json
import shutil
import unicodedata
from pathlib import Path

import pytest
import sklearn
from PIL import Image

from pycls.dataset_tools import validation
from tests.helpers.photographs import encode
from tests.helpers.runs import DIGITS, TINY, overrides, run_tool_here
from tests.helpers.threads import ThreadWorkers

KEYS = {
    "TRAIN.DATASET": "imagenet",
    "TEST.DATASET": "imagenet",
    "TRAIN.BATCH_SIZE": 4,
    "TEST.BATCH_SIZE": 4,
    "TRAIN.IM_SIZE": 16,
    "TEST.IM_SIZE": 16,
    "TRAIN.PCA_STD": 0,
    "MODEL.NUM_CLASSES": 2,
    "OPTIM.MAX_EPOCH": 1,
    "OPTIM.WARMUP_EPOCHS": 0,
    "BN.NUM_SAMPLES_PRECISE": 8,
    "DATA_LOADER.NUM_WORKERS": 0,
}


@pytest.fixture(autouse=True)
def surroundings(monkeypatch, tmp_path):
    monkeypatch.setattr(validation, "ProcessWorkers", ThreadWorkers)
    monkeypatch.setenv("PYCLS_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture
def data(tmp_path):
    """Two splits of two classes: pieces of the photographs in scikit-learn's wheel."""
    folder = Path(sklearn.__file__).parent / "datasets" / "images"
    for label, name in (("flower", "flower.jpg"), ("temple", "china.jpg")):
        photo = Image.open(folder / name)
        for split, count in (("train", 6), ("val", 3)):
            (tmp_path / "data" / split / label).mkdir(parents=True)
            for number in range(count):
                left = 60 * number + (380 if split == "val" else 0)
                piece = photo.crop((left, 200, left + 60, 260))
                piece.save(tmp_path / "data" / split / label / f"{number}.jpg", quality=92)
    return tmp_path / "data"


def _train(data, out_dir, **keys):
    return run_tool_here(
        "train_net.py", "--cfg", DIGITS, *overrides(TINY | KEYS | {"DATA_DIR": data, "OUT_DIR": out_dir} | keys)
    )


def _check(data, out_dir, *words):
    """Return the run, and what its report says: kind -> names."""
    done = run_tool_here("check_data.py", data, "--out", out_dir, *words)
    found = {}
    for finding in json.loads((out_dir / "report.json").read_text())["findings"]:
        found.setdefault(finding["kind"], []).append(finding["name"])
    return done, found


def test_every_tool_reads_and_tells_of_the_same_files(data, tmp_path):
    for number, kind in enumerate(("JPEG", "AVIF", "GIF")):
        file = data / "train" / "flower" / f"{number}.jpg"
        file.with_suffix((".JFIF", ".avif", ".Gif")[number]).write_bytes(encode(Image.open(file), kind))
        file.unlink()
    (data / "val" / "temple" / "0.jpg").rename(data / "val" / "temple" / "0.jpe")
    (data / "train" / "temple" / "notes.txt").write_text("of the journey")
    (data / "train" / "temple" / "x.heic").write_bytes(b"\0\0\0\x1cftypheic")
    (data / "train" / "temple" / "download").write_bytes((data / "train" / "temple" / "1.jpg").read_bytes())
    told = "left out 3 files that are no images: 1 .heic, 1 .txt, 1 without an ending (convert .heic to .jpg or .png"

    done = _train(data, tmp_path / "run")
    assert done.returncode == 0, done.stderr
    assert "train: found 12 images in 2 classes" in done.stdout and "on 6 images" in done.stdout
    assert done.stdout.count("left out") == 1 and f"{data}/train: {told}" in done.stdout

    done = run_tool_here("pack_data.py", data, tmp_path / "packed")
    assert "12 images in 2 classes" in done.stdout and "6 images in 2 classes" in done.stdout
    assert done.stdout.count("left out") == 1 and f"warning: {data}/train: {told}" in done.stdout

    weights = tmp_path / "run" / "checkpoints" / "best.pyth"
    done = run_tool_here("predict.py", data / "train", data / "val", "--weights", weights)
    assert done.returncode == 0 and len(done.stdout.splitlines()) == 18
    assert done.stderr.count("\n") == 1 and f"{data}/train: {told}" in done.stderr
    for file in ("temple/download", "flower/1.avif"):  # one by one, whatever it is called
        assert run_tool_here("predict.py", data / "train" / file, "--weights", weights).returncode == 0

    done, found = _check(data, tmp_path / "checked")
    assert done.returncode == 1 and "Images: 12 in train, 6 in val" in done.stdout
    assert found["left_out"] == ["train/temple/download", "train/temple/x.heic"]
    assert found["no_image"] == ["train/temple/notes.txt"] and "JPEG inside: rename it" in done.stdout
    assert "Training refuses" not in done.stdout


def test_folders_called_like_images(data, tmp_path):
    assert _train(data, tmp_path / "run").returncode == 0
    inside = data / "train" / "flower" / "a.jpg" / "inside.jpg"
    inside.parent.mkdir()
    (data / "val" / "flower" / "b.jpg").mkdir()
    shutil.copy(data / "val" / "flower" / "0.jpg", inside)
    done = _train(data, tmp_path / "again")
    assert done.returncode == 0 and "train: found 13 images" in done.stdout, done.stderr
    weights = tmp_path / "run" / "checkpoints" / "best.pyth"
    for folder, count in ((data, 19), (data / "val" / "flower", 3), (data / "train" / "flower" / "a.jpg", 1)):
        done = run_tool_here("predict.py", folder, "--weights", weights)
        assert (done.returncode, done.stderr) == (0, "") and len(done.stdout.splitlines()) == count


def _remove_class(data):
    shutil.rmtree(data / "val" / "temple")


def _rename_class(data):
    (data / "val" / "temple").rename(data / "val" / "castle")


def _spell_in_two_ways(data):
    for split, form in (("train", "NFC"), ("val", "NFD")):
        (data / split / "flower").rename(data / split / unicodedata.normalize(form, "Caf\u00e9"))


def _add_empty_class(data):
    for split in ("train", "val"):
        (data / split / "x").mkdir()


def _add_loose_image(data):
    shutil.copy(data / "val" / "temple" / "0.jpg", data / "train" / "0.jpg")


def _remove_validation(data):
    shutil.rmtree(data / "val")


def _rename_training(data):
    (data / "train").rename(data / "more")


def _make_texts(data):
    for file in data.glob("val/*/*"):
        file.rename(file.with_suffix(".txt")).write_text("text")


# What is done to the data, the kinds that the checker finds, and words of the line in which training refuses it.
REFUSED = (
    (_remove_class, {"missing_class": 1, "one_class": 1}, "lacks 1 class"),
    (_rename_class, {"missing_class": 2}, "lacks 1 class"),
    (_spell_in_two_ways, {"class_names": 2}, "spelled with other code points"),
    (_add_empty_class, {"empty_class": 2}, "without images: x"),
    (_add_loose_image, {"loose": 1}, "beside its class folders: 0.jpg"),
    (_remove_validation, {"missing_split": 1}, "no split 'val'"),
    (_rename_training, {"missing_split": 1}, "no split 'train'"),
    (_make_texts, {"no_images": 1, "empty_class": 2, "no_image": 6}, "no images"),
)


@pytest.mark.parametrize("change, kinds, words", REFUSED)
def test_what_training_refuses_the_checker_reports(change, kinds, words, data, tmp_path):
    change(data)
    trained = _train(data, tmp_path / "run")
    assert trained.returncode == 2 and words in trained.stderr and trained.stderr.count("\n") == 1
    assert not (tmp_path / "run" / "checkpoints").exists()
    for more in ([], ["--cfg", DIGITS, "MODEL.NUM_CLASSES", 2]):
        done, found = _check(data, tmp_path / "checked", *more)
        assert done.returncode == 1 and "Training refuses this data as it is" in done.stdout
        assert {kind: len(names) for kind, names in found.items()} == kinds


def test_the_checker_reads_a_config_as_training_does(data, tmp_path):
    words = ["--cfg", DIGITS, *overrides(KEYS | {"DATA_DIR": data, "OUT_DIR": tmp_path})]
    assert run_tool_here("check_data.py", *words).returncode == 0
    assert (tmp_path / "data_check" / "report.json").is_file()
    done = run_tool_here("check_data.py", *words, "MODEL.NUM_CLASSES", 3)
    assert done.returncode == 1 and "MODEL.NUM_CLASSES is 3, but TRAIN.DATASET imagenet has 2 classes" in done.stdout
    shutil.rmtree(data / "val" / "temple")
    done = run_tool_here("check_data.py", *words)
    assert done.returncode == 1 and "missing_class" in done.stdout and "Images: 12 in train, 3 in val" in done.stdout


def test_a_further_split_is_no_reason_to_refuse(data, tmp_path):
    shutil.copytree(data / "val", data / "test")
    (data / "test" / "temple").rename(data / "test" / "castle")
    (data / "test" / "0.jpg").write_bytes(encode(Image.effect_noise((40, 40), 50)))
    done, found = _check(data, tmp_path / "checked")
    assert (
        done.returncode == 0
        and found.pop("loose") == ["test/0.jpg"]
        and {*found} <= {"in_two_splits", "in_two_classes"}
    )
    shutil.rmtree(data / "test")
    (data / "test").mkdir()
    shutil.copy(data / "val/temple/0.jpg", data / "test/0.jpg")  # without labels
    assert _check(data, tmp_path / "checked")[0].returncode == 0


def test_a_class_may_be_called_like_a_split(data, tmp_path):
    (data / "val" / "temple").rename(data / "val" / "train")
    done, found = _check(data / "val", tmp_path / "checked")
    assert done.returncode == 0 and "Images: 6 in val" in done.stdout and not found


def test_a_single_class_is_noted(data, tmp_path):
    for split in ("train", "val"):
        shutil.rmtree(data / split / "temple")
    done, found = _check(data, tmp_path / "checked")
    assert done.returncode == 0 and found == {"one_class": ["train/flower", "val/flower"]}


def test_nothing_is_written_where_git_sees_it(data, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr("contextlib.chdir", lambda folder: monkeypatch.context())
    assert run_tool_here("check_data.py", data).returncode == 0
    assert (tmp_path / "here/runs/data_check/report.json").is_file()


def test_a_predicted_folder_without_images_tells_what_is_there(data, tmp_path):
    assert _train(data, tmp_path / "run").returncode == 0
    (tmp_path / "phone").mkdir()
    (tmp_path / "phone" / "a.HEIC").write_bytes(b"")
    done = run_tool_here("predict.py", tmp_path / "phone", "--weights", tmp_path / "run/checkpoints/best.pyth")
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "phone holds no images" in done.stderr and "1 .heic (convert .heic" in done.stderr
