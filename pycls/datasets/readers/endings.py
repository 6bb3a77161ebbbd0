"""Which files are images: by the ending of their name, in one table for training, tests, packing, checks, predictions.

Every backend shows files of these formats alike: JPEG and PNG each with its own decoder, all else with Pillow (the
first picture of an animation, the first page of a document, alpha dropped). What a file really is its content decides.
"""

from collections.abc import Mapping

# Ending -> the format inside, as Pillow names it.
FORMATS = {
    **dict.fromkeys((".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".mpo"), "JPEG"),
    **dict.fromkeys((".png", ".apng"), "PNG"),
    ".gif": "GIF",
    **dict.fromkeys((".bmp", ".dib"), "BMP"),
    ".webp": "WEBP",
    **dict.fromkeys((".avif", ".avifs"), "AVIF"),
    **dict.fromkeys((".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx"), "JPEG2000"),
    ".tga": "TGA",
    **dict.fromkeys((".ppm", ".pgm", ".pbm", ".pnm", ".pfm"), "PPM"),
    **dict.fromkeys((".tif", ".tiff"), "TIFF"),
    ".dds": "DDS",
    ".pcx": "PCX",
    ".qoi": "QOI",
    ".ras": "SUN",
    ".sgi": "SGI",
}
# Pictures that no decoder here reads, or not as a photograph: converted they would be images.
UNREAD_PICTURES = {
    *(
        ".heic",
        ".heif",
        ".hif",
        ".jxl",
        ".jxr",
        ".svg",
        ".eps",
        ".psd",
        ".psb",
        ".xcf",
        ".ico",
        ".icns",
        ".exr",
        ".hdr",
    ),
    *(".raw", ".dng", ".cr2", ".cr3", ".nef", ".nrw", ".arw", ".srf", ".orf", ".rw2", ".raf", ".pef", ".x3f"),
}
SYSTEM_FILES = frozenset(("thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"))  # nobody put them there
# Why a file is left out, where it is not for its ending.
NO_ENDING, HIDDEN, BESIDE = "without an ending", "hidden", "beside the class folders"
BROKEN_LINK, LINK_LOOP, NO_FILE = "broken link", "link to a folder above", "pipe, socket or device"
LINK, NO_PICTURE = "link", "label without an image"  # in tars

NUM_ENDINGS = 6  # named in a line before "N others"
_LONGEST = 10  # letters of what is still taken for an ending
_BARE = frozenset(ending[1:] for ending in FORMATS)


def is_image(name: str) -> bool:
    """Tell whether the name of a file has an ending of the table, in upper or lower case."""
    _, dot, ending = name.rpartition(".")
    return bool(dot) and ending.lower() in _BARE


def ending_of(name: str) -> str:
    """Return the ending of a file name in lower case, such as ".txt"; NO_ENDING if nothing looks like one."""
    stem, dot, ending = name.rpartition(".")
    is_word = 0 < len(ending) <= _LONGEST and ending.isprintable() and " " not in ending
    return f".{ending.lower()}" if dot and stem and is_word else NO_ENDING


def describe_left_out(counts: Mapping[str, int]) -> str:
    """Return in words how many files are left out for each reason, such as their ending, the most frequent first."""
    total = sum(counts.values())
    named = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:NUM_ENDINGS]
    parts = [f"{count:,} {reason}" for reason, count in named]
    if len(counts) > len(named):
        parts.append(f"{total - sum(count for _, count in named):,} others")
    pictures = ", ".join(sorted(UNREAD_PICTURES & counts.keys()))
    way_out = f" (convert {pictures} to .jpg or .png to use them)" if pictures else ""
    files = "1 file that is no image" if total == 1 else f"{total:,} files that are no images"
    return f"{files}: {', '.join(parts)}{way_out}"
