"""Which of the files that are left out of a split are pictures all the same."""

import os

from PIL import Image

from pycls.dataset_tools.validation.findings import LEFT_OUT, NO_FILE, NO_IMAGE, Finding
from pycls.datasets.readers import endings
from pycls.datasets.readers.samples import EncodedSamples, FileSamples

# What Pillow tells by a signature. A TGA has none: other files pass for it.
_KINDS = {*endings.FORMATS.values(), "MPO", "DIB"} - {"TGA"}


def left_out_findings(samples: EncodedSamples) -> list[Finding]:
    """Return a finding for each file in the folders or tars of a split that is not among its images."""
    pairs = ((path, reason) for path, reason in samples.left_out if reason != endings.BESIDE)
    return [_finding(samples, path, reason) for path, reason in pairs]


def _finding(samples: EncodedSamples, path: str, reason: str) -> Finding:
    name = f"{samples.split}/{path}"
    if reason in (endings.BROKEN_LINK, endings.NO_FILE, endings.LINK, endings.NO_PICTURE):
        return Finding(NO_FILE, name, reason)
    if reason in (endings.HIDDEN, endings.LINK_LOOP):
        return Finding(NO_IMAGE, name, reason)
    if reason in endings.UNREAD_PICTURES:
        return Finding(LEFT_OUT, name, f"convert {reason} to .jpg or .png")
    kind = _kind_inside(os.path.join(samples.root, path)) if isinstance(samples, FileSamples) else ""
    return Finding(LEFT_OUT, name, f"{kind} inside: rename it") if kind else Finding(NO_IMAGE, name, reason)


def _kind_inside(file: str) -> str:
    """Return the format of an image that is called something else, "" for other files."""
    try:
        with Image.open(file) as image:
            return image.format if image.format in _KINDS else ""
    except Exception:  # Pillow's plug-ins let many types through on files that are none of theirs
        return ""
