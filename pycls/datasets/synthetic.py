"""Cut ImageNet-like JPEGs out of the photographs that ship with scikit-image and scikit-learn; always the same files.

Sizes, bytes a pixel and chroma layouts follow ImageNet's (median 500 x 375, 110 KB, mostly 4:2:0). It is not ImageNet:
few sources, and quality is raised until a file is as heavy as there, since decoding time follows the bytes.
"""

import importlib.util
import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

_SKIMAGE_FILES: tuple[str, ...] = (
    "astronaut.png",
    "chelsea.png",
    "coffee.png",
    "rocket.jpg",
    "hubble_deep_field.jpg",
    "ihc.png",
)
_SKIMAGE_FILES += ("ihc.png", "motorcycle_left.png", "motorcycle_right.png", "retina.jpg")
_SKLEARN_FILES = ("china.jpg", "flower.jpg")
_SHAPES = ((500, 375), (375, 500), (500, 333), (333, 500), (400, 300), (500, 500), (640, 480), (320, 240), (800, 600))
_SHAPE_WEIGHTS = (0.34, 0.15, 0.14, 0.06, 0.08, 0.06, 0.07, 0.05, 0.05)
_BITS_PER_PX = 4.5
_QUALITIES = (75, 82, 88, 92, 94, 96, 98)
_NUM_CLASSES = 8


def load_photographs() -> list[Image.Image]:
    """Return the source photographs, RGB; ValueError when the packages that bring them are not installed."""
    paths = [_package_dir("skimage", "scikit-image") / "data" / name for name in _SKIMAGE_FILES]
    paths += [_package_dir("sklearn", "scikit-learn") / "datasets" / "images" / name for name in _SKLEARN_FILES]
    return [Image.open(path).convert("RGB") for path in paths]


def _package_dir(module: str, package: str) -> Path:
    """Return the folder of an installed package, which is not imported for its pictures."""
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise ValueError(f"the generated photographs need {package}: pip install {package}, or give a folder of images")
    return Path(spec.origin).parent


def write_photos(folder: Path, num_images: int, seed: int = 0) -> None:
    """Write `num_images` JPEGs into class folders below `folder`; files that are there already are kept."""
    photographs = load_photographs()
    for number in range(num_images):
        path = folder / f"class_{number % _NUM_CLASSES}" / f"photo_{number:05d}.JPEG"
        if path.exists():
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng([seed, number])
        path.write_bytes(_encode(_cut(photographs[number % len(photographs)], rng), rng))


def _cut(photograph: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Cut a random part, resize it to a random ImageNet size and sharpen it mildly, as photo sites do."""
    width, height = _SHAPES[rng.choice(len(_SHAPES), p=_SHAPE_WEIGHTS)]
    largest = min(photograph.width / width, photograph.height / height)
    zoom = largest * rng.uniform(0.7, 1.0)
    box_w, box_h = zoom * width, zoom * height
    left, top = rng.uniform(0, photograph.width - box_w), rng.uniform(0, photograph.height - box_h)
    part = photograph.resize((width, height), Image.Resampling.LANCZOS, box=(left, top, left + box_w, top + box_h))
    part = part.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if rng.random() < 0.5 else part
    return part.filter(ImageFilter.UnsharpMask(radius=1, percent=60, threshold=0))


def _encode(image: Image.Image, rng: np.random.Generator) -> bytes:
    """Encode with ImageNet's mix of layouts, at the lowest quality that reaches its bytes a pixel."""
    kind = rng.random()
    image = image.convert("L") if kind < 0.02 else image
    subsampling = {"subsampling": 0 if kind < 0.12 else 2} if image.mode == "RGB" else {}
    for quality in _QUALITIES:
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=quality, progressive=kind > 0.995, **subsampling)
        if 8 * buffer.tell() >= _BITS_PER_PX * image.width * image.height:
            break
    return buffer.getvalue()
