"""BlurPool: the filter by hand, its places in a ResNet-50, and unchanged names of weights."""

import pytest
import torch
from torch import nn

from pycls.core.config import load_cfg
from pycls.models import build_model
from pycls.models.layers.blurpool import BlurConv2d, add_blurpool


def test_an_impulse_becomes_the_filter_and_borders_see_zeros():
    conv = nn.Sequential(nn.Conv2d(16, 16, 1, stride=2, groups=16, bias=False))
    nn.init.ones_(conv[0].weight)
    x = torch.zeros(1, 16, 5, 5, dtype=torch.float64)
    x[0, 3, 2, 2], x[0, 4, 0, 0] = 16.0, 16.0
    assert add_blurpool(conv.double()) == 1
    out = conv(x)
    assert out[0, 3].tolist() == [[0, 0, 0], [0, 4, 0], [0, 0, 0]] and out[0, 4, 0, 0] == 4 and out.sum() == 8
    x[0, 3] = torch.roll(x[0, 3], (1, 1), (0, 1))
    assert conv(x)[0, 3].tolist() == [[0, 0, 0], [0, 1, 1], [0, 1, 1]], "shifted by (1, 1): the corners of the filter"


def build(*words):
    with torch.device("meta"):
        return build_model(load_cfg(None, ["MODEL.TYPE", "resnet", "MODEL.DEPTH", "50", *words]))


def test_a_resnet_50_has_six_and_its_weights_keep_their_names():
    plain = build("RESNET.TRANS_FUN", "bottleneck_transform")
    blurred = build("RESNET.TRANS_FUN", "bottleneck_transform", "MODEL.BLURPOOL", "True")
    names = [name for name, module in blurred.named_modules() if isinstance(module, BlurConv2d)]
    assert len(names) == 6 and all(name.split(".")[0] in ("s2", "s3", "s4") for name in names)
    assert list(plain.state_dict()) == list(blurred.state_dict())


def test_a_network_without_strides_is_refused():
    with pytest.raises(ValueError, match=r"MODEL.BLURPOOL True: vit has no plain strided"), torch.device("meta"):
        build_model(load_cfg(None, ["MODEL.TYPE", "vit", "MODEL.BLURPOOL", "True"]))
