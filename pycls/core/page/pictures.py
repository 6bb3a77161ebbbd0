"""Pictures inside of a page: their bytes as an address, so that nothing lies beside it."""

import base64
import io
from typing import Any


def encode_image(image: Any, kind: str, **options: Any) -> bytes:
    """Return the file of an image of Pillow's, "PNG" or "JPEG"."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def data_uri(data: bytes, kind: str) -> str:
    """Return a file as what the attribute `src` of a picture takes."""
    return f"data:image/{kind.lower()};base64,{base64.b64encode(data).decode()}"
