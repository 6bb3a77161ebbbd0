"""What pytorch-cls writes: its YAML of EfficientNet-B0, and the config in its checkpoints, which is its whole tree."""

from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

EN_B0 = """\
MODEL:
  TYPE: effnet
  NUM_CLASSES: 1000
EN:
  STEM_W: 32
  STRIDES: [1, 2, 2, 2, 1, 2, 1]
  DEPTHS: [1, 2, 2, 3, 3, 4, 1]
  WIDTHS: [16, 24, 40, 80, 112, 192, 320]
  EXP_RATIOS: [1, 6, 6, 6, 6, 6, 6]
  KERNELS: [3, 3, 5, 3, 5, 5, 3]
  HEAD_W: 1280
OPTIM: {LR_POLICY: cos, BASE_LR: 0.4, MAX_EPOCH: 100, MOMENTUM: 0.9, WEIGHT_DECAY: 1e-5}
TRAIN: {DATASET: imagenet, IM_SIZE: 224, BATCH_SIZE: 256}
TEST: {DATASET: imagenet, IM_SIZE: 256, BATCH_SIZE: 200}
DATA_LOADER:
  NUM_WORKERS: 12
  WORLD_SIZE: 8
  BACKEND: 'dali_cpu'
NUM_GPUS: 8
OUT_DIR: './experiments/train/EN-B0_dds_8gpu'
"""

_DEFAULTS: dict[str, Any] = {
    "MODEL": {"TYPE": "", "DEPTH": 0, "NUM_CLASSES": 10, "LOSS_FUN": "cross_entropy"},
    "RESNET": {"TRANS_FUN": "basic_transform", "NUM_GROUPS": 1, "WIDTH_PER_GROUP": 64, "STRIDE_1X1": True},
    "ANYNET": {"STEM_TYPE": "simple_stem_in", "STEM_W": 32, "BLOCK_TYPE": "res_bottleneck_block", "DEPTHS": [],
               "WIDTHS": [], "STRIDES": [], "BOT_MULS": [], "GROUP_WS": [], "SE_ON": False, "SE_R": 0.25},
    "REGNET": {"STEM_TYPE": "simple_stem_in", "STEM_W": 32, "BLOCK_TYPE": "res_bottleneck_block", "STRIDE": 2,
               "SE_ON": False, "SE_R": 0.25, "DEPTH": 10, "W0": 32, "WA": 5.0, "WM": 2.5, "GROUP_W": 16,
               "BOT_MUL": 1.0},
    "EN": {"STEM_W": 32, "DEPTHS": [], "WIDTHS": [], "EXP_RATIOS": [], "SE_R": 0.25, "STRIDES": [], "KERNELS": [],
           "HEAD_W": 1280, "DC_RATIO": 0.0, "DROPOUT_RATIO": 0.0},
    "DARTS": {"INIT_CHANNEL": 36, "LAYERS": 20, "DROPOUT_RATIO": 0.0, "DROP_PATH_PROB": 0.2, "AUX_WEIGHT": 0.4,
              "STEM_MULTIPLIER": 3, "GENOTYPE": "", "MODEL_TYPE": "cifar", "NAME": "darts_v2"},
    "MB": {"STEM_W": 32, "STEM_ACT": "", "WIDTH_MULT": 1.0, "WIDTHS": [], "EXP_RATIOS": [], "SE_RARIOS": [],
           "ACTS": [], "STRIDES": [], "KERNELS": [], "HEAD_W": [1280], "HEAD_ACTS": [], "DC_RATIO": 0.0,
           "DROPOUT_RATIO": 0.0},
    "BN": {"EPS": 1e-5, "MOM": 0.1, "USE_PRECISE_STATS": False, "NUM_SAMPLES_PRECISE": 1024,
           "ZERO_INIT_FINAL_GAMMA": False, "USE_CUSTOM_WEIGHT_DECAY": False, "CUSTOM_WEIGHT_DECAY": 0.0},
    "OPTIM": {"NAME": "sgd", "BASE_LR": 0.1, "LR_POLICY": "cos", "GAMMA": 0.1, "ALPHA": 0.9, "EPSILON": 0.1,
              "STEPS": [], "LR_MULT": 0.1, "MAX_EPOCH": 2, "MOMENTUM": 0.9, "DAMPENING": 0.0, "NESTEROV": True,
              "WEIGHT_DECAY": 5e-4, "WARMUP_FACTOR": 0.1, "WARMUP_EPOCHS": 0, "GRAD_CLIP": 0.0},
    "TRAIN": {"DATASET": "imagenet_dataset", "SPLIT": "train", "BATCH_SIZE": 8, "IM_SIZE": 16, "EVAL_PERIOD": 1,
              "CHECKPOINT_PERIOD": 1, "AUTO_RESUME": True, "WEIGHTS": "", "AMP": False},
    "TEST": {"DATASET": "imagenet_dataset", "SPLIT": "val", "BATCH_SIZE": 8, "IM_SIZE": 16, "WEIGHTS": "",
             "AMP": False},
    "DATA_LOADER": {"BACKEND": "dali_cpu", "NUM_WORKERS": 4, "PIN_MEMORY": True, "WORLD_SIZE": 1, "MEMORY_DATA": False,
                    "PCA_JITTER": False, "COLOR_JITTER": False, "CUTOUT": 0},
    "MEM": {"RELU_INPLACE": True},
    "CUDNN": {"BENCHMARK": True},
    "PREC_TIME": {"WARMUP_ITER": 3, "NUM_ITER": 200},
    "NUM_GPUS": 1, "OUT_DIR": "/tmp", "CFG_DEST": "config.yaml", "RANDOM_OUT_DIR": False, "SAVE_NAME": "x",
    "RNG_SEED": 2, "DETERMINSTIC": True, "LOG_DEST": "file", "LOG_PERIOD": 10, "DIST_BACKEND": "nccl",
    "HOST": "localhost", "PORT": 10001, "DOWNLOAD_CACHE": "/tmp/pycls-download-cache",
}  # fmt: skip


def pytorch_cls_tree(**sections: Any) -> dict[str, Any]:
    """Return its whole tree with other values, `SECTION={"KEY": value}` or `KEY=value`."""
    merged = {name: {**value} if isinstance(value, dict) else value for name, value in _DEFAULTS.items()}
    for name, value in sections.items():
        merged[name] = {**merged.get(name, {}), **value} if isinstance(value, dict) else value
    return merged


def save_pytorch_cls(path: Path, tensors: dict[str, Tensor], tree: dict[str, Any]) -> Path:
    """Write a checkpoint as it does, with two of the counters that its complexity count leaves behind."""
    counters = {"total_ops": torch.zeros(1), "stem.total_params": torch.zeros(1)}
    state = {"epoch": 1, "model_state": tensors | counters, "optimizer_state": {}, "cfg": yaml.safe_dump(tree)}
    torch.save(state, path)
    return path
