"""A checkpoint of pytorch-cls: its config holds keys and a section of networks that are not here."""

import json

import pytest
import torch
import yaml
from PIL import Image

from pycls.core.config import load_cfg, load_cfg_text
from pycls.models import build_model
from tests.helpers.commands import pycls_here
from tests.helpers.runs import overrides, run_tool_here

# As pytorch-cls dumps it: its whole tree. Values of keys that are pycls's, too, are those that the network needs.
TREE = {
    "MODEL": {"TYPE": "anynet", "DEPTH": 0, "NUM_CLASSES": 10, "LOSS_FUN": "cross_entropy"},
    "ANYNET": {"STEM_TYPE": "res_stem_cifar", "STEM_W": 8, "BLOCK_TYPE": "res_basic_block", "DEPTHS": [1, 1],
               "WIDTHS": [8, 16], "STRIDES": [1, 2], "BOT_MULS": [], "GROUP_WS": [], "SE_ON": False, "SE_R": 0.25},
    "DARTS": {"INIT_CHANNEL": 36, "LAYERS": 20, "DROPOUT_RATIO": 0.0, "DROP_PATH_PROB": 0.2, "AUX_WEIGHT": 0.4,
              "STEM_MULTIPLIER": 3, "GENOTYPE": "", "MODEL_TYPE": "cifar", "NAME": "darts_v2"},
    "MB": {"STEM_W": 32, "WIDTH_MULT": 1.0, "SE_RARIOS": [], "HEAD_W": [1280]},
    "BN": {"EPS": 1e-5, "MOM": 0.1, "USE_PRECISE_STATS": False, "NUM_SAMPLES_PRECISE": 1024},
    "OPTIM": {"NAME": "sgd", "BASE_LR": 0.1, "LR_POLICY": "cos", "GAMMA": 0.1, "ALPHA": 0.9, "EPSILON": 1e-8,
              "GRAD_CLIP": 0.0, "MAX_EPOCH": 2},
    "TRAIN": {"DATASET": "imagenet_dataset", "SPLIT": "train", "BATCH_SIZE": 8, "IM_SIZE": 16, "EVAL_PERIOD": 1,
              "CHECKPOINT_PERIOD": 1, "AUTO_RESUME": True, "WEIGHTS": "", "AMP": False},
    "TEST": {"DATASET": "imagenet_dataset", "SPLIT": "val", "BATCH_SIZE": 8, "IM_SIZE": 16, "AMP": False},
    "DATA_LOADER": {"BACKEND": "dali_cpu", "NUM_WORKERS": 4, "PIN_MEMORY": True, "WORLD_SIZE": 1, "MEMORY_DATA": False,
                    "PCA_JITTER": False, "COLOR_JITTER": False, "CUTOUT": 0},
    "MEM": {"RELU_INPLACE": True},
    "CUDNN": {"BENCHMARK": True},
    "PREC_TIME": {"ENABLED": False, "BATCH_SIZE": 128, "WARMUP_ITER": 3, "NUM_ITER": 200},
    "NUM_GPUS": 1, "OUT_DIR": "/tmp", "RANDOM_OUT_DIR": False, "SAVE_NAME": "x", "RNG_SEED": 2, "DETERMINSTIC": True,
    "LOG_DEST": "file", "LOG_PERIOD": 10, "DIST_BACKEND": "nccl", "HOST": "localhost", "PORT": 10001,
}  # fmt: skip


@pytest.fixture
def checkpoint(tmp_path):
    """The file, and logits of its network for one image of one color."""
    keys = {f"{section}.{name}": value for section in ("MODEL", "ANYNET") for name, value in TREE[section].items()}
    torch.manual_seed(3)
    model = build_model(load_cfg(None, overrides(keys | {"TRAIN.IM_SIZE": 16}))).eval()
    counters = {"total_ops": torch.zeros(1), "stem.total_params": torch.zeros(1)}  # its complexity count leaves them
    state = {"epoch": 1, "model_state": model.state_dict() | counters, "cfg": yaml.safe_dump(TREE)}
    torch.save(state, tmp_path / "model_best.pyth")
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


def test_test_net_evaluates_it_and_its_run_folder(checkpoint, tmp_path):
    path, _ = checkpoint
    for number in range(10):
        for split in ("train", "val"):
            (tmp_path / f"photos/{split}/{number}").mkdir(parents=True)
            Image.new("RGB", (16, 16), (20 * number, 90, 30)).save(tmp_path / f"photos/{split}/{number}/a.png")
    (tmp_path / "net.yaml").write_text(yaml.safe_dump(TREE))
    words = ["DATA_DIR", tmp_path / "photos", "OUT_DIR", tmp_path / "out", "DATA_LOADER.BACKEND=custom", "DEVICE=cpu"]
    done = run_tool_here("test_net.py", "--cfg", tmp_path / "net.yaml", *words, "TEST.WEIGHTS", path.parent)
    assert done.returncode == 0 and "on 10 images" in done.stdout, done.stderr
    assert "is not compared" not in done.stdout


def test_a_network_of_darts_is_still_told(tmp_path):
    text = yaml.safe_dump(TREE | {"MODEL": {"TYPE": "darts"}})
    with pytest.warns(UserWarning, match="DARTS"):
        cfg = load_cfg_text(text, "a.pyth")
    with pytest.raises(ValueError, match=r"MODEL\.TYPE: unknown choice 'darts'"):
        build_model(cfg)
