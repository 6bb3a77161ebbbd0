"""Look closely at image files: do all decoders read them alike, are they what their names say, what is odd in them."""

import hashlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

from pycls.dataset_tools.validation.dali_decoder import DaliDecoder
from pycls.dataset_tools.validation.findings import BLACK, DAMAGED, DISAGREE, NOTES, TINY, UNREADABLE, WRONG_TYPE
from pycls.datasets.decoders import opencv, pillow, torchvision_io
from pycls.datasets.decoders.deep import read_unknown
from pycls.datasets.decoders.image_header import Header, read_header
from pycls.datasets.heartbeat import NOTHING, HeartbeatBoard
from pycls.datasets.readers.endings import FORMATS, ending_of
from pycls.datasets.readers.samples import EncodedSamples

Decode = Callable[[bytes, Header], np.ndarray | None]  # -> uint8 (H, W, 3) RGB, or None where only the verdict counts
_SAME_FORMAT = {"MPO": "JPEG", "DIB": "BMP"}  # a camera's JPEG with a second picture behind it
_MAX_DIFFERENCE = 2  # gray levels that decoders may differ by; those of OpenCV and torchvision equal Pillow's
_BAND_ROWS = 1024
_EXIF_ORIENTATION = 0x0112


@dataclass(frozen=True)
class Inspection:
    """What is known of one file."""

    index: int
    digest: int  # 64-bit hash of its bytes, 0 if it is unreadable
    findings: list[tuple[str, str]]  # (kind, detail)


def build_decoders(backends: tuple[str, ...]) -> dict[str, Decode]:
    """Return the decoders of some backends besides Pillow: "custom", "torch", "dali_cpu"."""
    known: dict[str, Callable[[], Decode]] = {
        "custom": lambda: decode_custom,
        "torch": lambda: decode_torch,
        "dali_cpu": DaliDecoder,
    }
    return {name: known[name]() for name in backends}


def decode_custom(data: bytes, header: Header) -> np.ndarray:
    """Decode as the custom backend."""
    return opencv.decode(data, header.common)


def decode_torch(data: bytes, header: Header) -> np.ndarray:
    """Decode as the torch backend."""
    return torchvision_io.decode(data, header.common).permute(1, 2, 0).numpy()


@dataclass(frozen=True)
class Inspector:
    """Inspect some samples; runs in a worker process."""

    samples: EncodedSamples
    board: HeartbeatBoard
    decoders: dict[str, Decode]
    tiny_px: int

    def __call__(self, indices: np.ndarray, heartbeat: int) -> list[Inspection]:
        """Inspect the files of `indices`."""
        note = self.board.heartbeat(heartbeat)
        found = []
        for index in indices:
            note(index)
            found.append(self._inspect(int(index)))
        note(NOTHING)
        return found

    def _inspect(self, index: int) -> Inspection:
        try:
            data = self.samples.read(index)
        except (OSError, ValueError) as error:
            return Inspection(index, 0, [(UNREADABLE, str(error))])
        try:
            findings = inspect_bytes(data, self.samples.name(index), self.decoders, self.tiny_px)
        except Exception as error:  # one odd file must not end the check of a million
            findings = [(UNREADABLE, f"{type(error).__name__}: {error}")]
        readable = not any(kind == UNREADABLE for kind, _ in findings)
        digest = int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "big") if readable else 0
        return Inspection(index, digest, findings)


def inspect_bytes(data: bytes, name: str, decoders: dict[str, Decode], tiny_px: int) -> list[tuple[str, str]]:
    """Return the findings about one encoded image, (kind, detail) each."""
    try:
        header = read_header(data)
        pixels = pillow.decode_rgb(data)
    except ValueError as error:
        reader = _any_reader(data, decoders)
        return [(UNREADABLE, str(error) + (f"; but {reader} shows it" if reader else ""))]
    findings = _compare(data, header, pixels, decoders)
    if min(header[:2]) < tiny_px:
        findings.append((TINY, f"{header.width} x {header.height} px"))
    if not pixels.any() and _has_light(data):
        findings.append((BLACK, "its 16-bit or float pixels are all below one gray level of 255"))
    return findings + _describe(data, name)


def _has_light(data: bytes) -> bool:
    image = pillow.open_image(data)
    if image is None:
        return bool(read_unknown(data).any())
    with image:
        return bool(np.asarray(image).any())


def _any_reader(data: bytes, decoders: dict[str, Decode]) -> str:
    """Return the name of a backend that shows what Pillow cannot read: something its authors should know."""
    if not _is_common(data):  # all backends ask Pillow
        return ""
    with captured_stderr():
        for name, decode in decoders.items():
            try:
                decode(data, read_header(data))
            except ValueError:
                continue
            return name
    return ""


def _is_common(data: bytes) -> bool:
    try:
        return read_header(data).common
    except ValueError:
        return False


def _compare(data: bytes, header: Header, pixels: np.ndarray, decoders: dict[str, Decode]) -> list[tuple[str, str]]:
    """Compare the decoders' verdicts and pixels with Pillow's, and listen to what libjpeg says meanwhile."""
    findings = []
    with captured_stderr() as said:
        for name, decode in decoders.items():
            try:
                other = decode(data, header)
            except ValueError as error:
                findings.append((DISAGREE, f"Pillow reads it, {name} does not: {error}"))
                continue
            if other is not None and (difference := _difference(pixels, other)) > _MAX_DIFFERENCE:
                findings.append((DISAGREE, f"{name} differs from Pillow by {difference:g} gray levels"))
    # Decoders fill the missing part of an image with gray and say so here only.
    damage = [line for line in said() if "JPEG" in line and ("Corrupt" in line or "Premature" in line)]
    return findings + [(DAMAGED, line) for line in damage[:1]]


def _difference(one: np.ndarray, other: np.ndarray) -> float:
    if one.shape != other.shape:
        return float("inf")
    bands = range(0, len(one), _BAND_ROWS)  # all of a large image would take gigabytes
    return float(
        max(cv2.norm(one[top : top + _BAND_ROWS], other[top : top + _BAND_ROWS], cv2.NORM_INF) for top in bands)
    )


def _describe(data: bytes, name: str) -> list[tuple[str, str]]:
    """Return what the file's own words tell: type and oddities."""
    image = pillow.open_image(data)
    if image is None:
        kind, odd = "TIFF", _unknown_oddities(data)
    else:
        with image:
            kind, odd = image.format or "", _oddities(image, data)
    findings = [(note, "") for note in NOTES if odd.get(note)]
    expected = FORMATS.get(ending_of(os.path.basename(name)))
    if expected and _SAME_FORMAT.get(kind, kind) != expected:
        findings.insert(0, (WRONG_TYPE, f"{kind} inside"))
    return findings


def _oddities(image: Image.Image, data: bytes) -> dict[str, bool]:
    return {
        "animated": getattr(image, "is_animated", False) and image.format != "MPO",
        "cmyk": image.mode == "CMYK",
        "16_bit": image.mode.startswith("I") or (image.format == "PNG" and data[24] == 16),
        "float": image.mode == "F",
        "alpha": image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info,
        "exif_rotated": image.getexif().get(_EXIF_ORIENTATION, 1) not in (0, 1),
    }


def _unknown_oddities(data: bytes) -> dict[str, bool]:
    """Return the same of a TIFF file that Pillow does not know: floats in RGB, or of 64 bits."""
    samples = read_unknown(data)
    return {"float": samples.dtype.kind == "f", "alpha": samples.shape[2] == 4}


@contextmanager
def captured_stderr() -> Iterator[Callable[[], list[str]]]:
    """Catch what C libraries write to the process's standard error; the function given returns its lines afterwards."""
    sys.stderr.flush()
    lines: list[str] = []
    kept = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield lambda: lines
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            file.seek(0)
            lines += file.read().decode(errors="replace").splitlines()
