"""Write ImageNet-like photographs into a folder and say how heavy they are.

python -m benchmarks.photos DIR --num-images 640
"""

import argparse
from pathlib import Path

import numpy as np

from pycls.datasets.photos import write_photos


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
