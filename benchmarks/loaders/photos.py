"""Write ImageNet-like photographs into a folder and say how heavy they are.

python -m benchmarks.loaders.photos DIR --num-images 640
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np

from pycls.datasets.synthetic import write_photos


def made_photos(num_images: int) -> Path:
    """Return a folder of class folders with that many photos, which are made only once on a machine."""
    folder = Path(tempfile.gettempdir()) / "pycls_photos" / str(num_images)
    write_photos(folder, num_images)
    return folder


def main() -> None:
    """Write the photos."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="DIR", help="folder for the class folders")
    parser.add_argument("--num-images", type=int, default=640)
    arguments = parser.parse_args()
    write_photos(arguments.folder, arguments.num_images)
    sizes = [path.stat().st_size for path in arguments.folder.rglob("*.JPEG")]
    print(f"{len(sizes)} files, {np.mean(sizes) / 1e3:.1f} KB on average, in {arguments.folder}")


if __name__ == "__main__":
    main()
