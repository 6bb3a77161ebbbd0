"""Where things are in the checkout."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / "configs"
RECORDS = ROOT / "tests/records"
ZOO_RECORDS = ROOT / "pycls/zoo/records"
