"""Import paths that other code relies on stay, whatever moves behind them."""

import importlib

import pytest

from tests.helpers.paths import ROOT

FAMILIES = ("effnet", "regnetx", "regnety", "resnet", "resnext", "vit")  # pycls's own calls by name
STAYING = [
    "pycls.core.config.load_cfg",
    "pycls.core.config.add_section",
    "pycls.core.checkpoint.load_weights",
    "pycls.models.build_model",
    "pycls.models.MODELS",
    *(f"pycls.models.{name}" for name in FAMILIES),
    "pycls.models.complexity.complexity",
    "pycls.models.heads.introspective_logits",
    "pycls.models.lip.lip2d",
    "pycls.models.scaler.scaling_factors",
    "pycls.optim.build_optimizer",
    "pycls.optim.build_lr_policy",
    "pycls.losses.build_loss",
    "pycls.datasets.build_samples",
    "pycls.datasets.build_loader",
    "pycls.datasets.mix.cutmix_box",
    "pycls.engine.train",
    "pycls.engine.test",
    "pycls.engine.time",
]


@pytest.mark.parametrize("path", STAYING)
def test_it_is_where_other_code_imports_it(path):
    module, name = path.rsplit(".", 1)
    assert getattr(importlib.import_module(module), name) is not None


def test_the_changelog_lists_them():
    changelog = (ROOT / "CHANGELOG.md").read_text()
    families = {f"pycls.models.{name}" for name in (*FAMILIES, "MODELS")} | {"pycls.core.config.add_section"}
    assert [path for path in STAYING if path not in families and f"`{path}`" not in changelog] == []
