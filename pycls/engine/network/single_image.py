"""A batch norm needs more than one value of each channel to train: refuses what one image a process does not give."""

import torch
from torch import nn
from yacs.config import CfgNode

from pycls.core import distributed
from pycls.core.config.im_size import sides
from pycls.core.weights.input_channels import input_channels
from pycls.engine.network.freeze import set_train_mode


def check_single_image(cfg: CfgNode, model: nn.Module) -> None:
    """Raise ValueError where a step shows each process one image and a batch norm would see maps of 1 x 1 pixel.

    `model` has no data (it is on the meta device) and is left in training mode.
    """
    processes = distributed.requested_world_size(cfg.NUM_GPUS)
    shares = processes * cfg.OPTIM.ACCUM_STEPS
    if shares != cfg.TRAIN.BATCH_SIZE or (cfg.BN.SYNC and processes > 1):
        return
    set_train_mode(model, cfg.TRAIN.FROZEN)
    image = torch.empty(1, input_channels(model), *sides(cfg.TRAIN.IM_SIZE), device="meta")
    try:
        with torch.no_grad():
            model(image)
    except ValueError as error:
        if not str(error).startswith("Expected more than 1 value per channel"):
            raise
        raise ValueError(
            f"TRAIN.BATCH_SIZE {cfg.TRAIN.BATCH_SIZE} is 1 image for each process and step, of which a batch norm of "
            f"MODEL.TYPE {cfg.MODEL.TYPE} sees 1 value a channel at TRAIN.IM_SIZE {cfg.TRAIN.IM_SIZE}, and it cannot "
            f"train on one: expected at least {2 * shares}, or larger images"
        ) from None
