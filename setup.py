"""Package metadata; lower bounds are the oldest versions that were tested."""

import re
from pathlib import Path

from setuptools import find_packages, setup

VERSION = re.search(r'__version__ = "(.+)"', Path("pycls/__init__.py").read_text())[1]

REQUIRED = [
    "torch>=2.11",
    "torchvision>=0.26",
    "numpy>=2.1",
    "opencv-python-headless>=4.12",
    "Pillow>=12.0",
    "yacs>=0.1.8",
    "PyYAML>=6.0.2",
    "fvcore>=0.1.5.post20221221",
    "simplejson>=3.19.3",
    "matplotlib>=3.10",
    "scikit-learn>=1.7",
    "tqdm>=4.66.5",
]
DALI = ["nvidia-dali-cuda130>=2.2"]
DEV = [
    "pytest>=8.4",
    "pytest-timeout>=2.3.1",
    "scikit-image>=0.25.2",
    "scipy>=1.15.3",
    "tensorboard>=2.19",
    "ruff>=0.17.5",
    "import-linter>=2.3",
    "pre-commit>=4.0.1",
]

setup(
    name="pycls",
    version=VERSION,
    description="Image classification from YAML files",
    long_description=Path("README.md").read_text(),
    long_description_content_type="text/markdown",
    license="MIT",
    packages=find_packages(include=["pycls", "pycls.*"]),
    python_requires=">=3.11",
    install_requires=REQUIRED,
    extras_require={"dali": DALI, "dev": DEV},
)
