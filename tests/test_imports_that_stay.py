"""Import paths that other code relies on stay, whatever moves behind them."""

import ast
import importlib
import importlib.util

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


def test_benchmarks_import_what_is_there():
    """They run by hand, so that a name that moved away would be noticed late."""
    missing = []
    for path in sorted((ROOT / "benchmarks").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module.partition(".")[0] in ("pycls", "benchmarks"):
                source = importlib.import_module(node.module)
                names = [alias.name for alias in node.names if not hasattr(source, alias.name)]
                missing += [f"{path.name}: {node.module}.{name}" for name in names if not is_module(source, name)]
    assert missing == []


def is_module(source, name):
    return hasattr(source, "__path__") and importlib.util.find_spec(f"{source.__name__}.{name}") is not None
