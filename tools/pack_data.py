#!/usr/bin/env python3
"""Pack image folders into tar shards."""

import argparse
import sys
from pathlib import Path

from pycls.core.cli import run_plain_tool

DESCRIPTION = """Pack class folders into tar shards with an index: few large files for the disks of a cluster.

  python tools/pack_data.py SRC DST       pack SRC/train, SRC/val and SRC/test, or SRC itself if it has none of them
  python tools/pack_data.py DST --verify  read everything back and compare the checksums

Stopped at any point, even by kill -9, the same command goes on and gives the same files. Training then takes DATA_DIR
DST, with the same order of images, crops and batches as from SRC. Any tar, and the webdataset library, read the shards.
The bytes of the files stay as they are unless --max-side or --reencode-all is given. docs/PACKED.md says more."""
EXAMPLE = "example:\n  python tools/pack_data.py /data/imagenet /scratch/imagenet-packed --verify"


def build_parser() -> argparse.ArgumentParser:
    """Return the parser."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=DESCRIPTION, epilog=EXAMPLE, formatter_class=raw)
    parser.add_argument("src", metavar="SRC", type=Path, nargs="?", help="a folder of class folders, or of splits")
    parser.add_argument("dst", metavar="DST", type=Path, help="folder for the shards")
    parser.add_argument(
        "--split", action="append", default=[], metavar="NAME", help="folder of SRC to pack; may be repeated"
    )
    parser.add_argument("--max-side", type=int, metavar="PX", help="re-encode images with a longer side: other pixels!")
    parser.add_argument("--reencode-all", action="store_true", help="re-encode the others, too, where it saves bytes")
    parser.add_argument("--quality", type=int, default=90, help="JPEG quality of re-encoded images (default: 90)")
    parser.add_argument("--shard-mb", type=int, default=512, metavar="MB", help="10^6 bytes of a shard (default: 512)")
    parser.add_argument("--workers", type=int, default=0, help="threads (default: one for each usable core)")
    parser.add_argument("--verify", action="store_true", help="read all of DST back")
    parser.add_argument("--traceback", action="store_true", help="show where in the code an error arose")
    return parser


def act(args: argparse.Namespace) -> int:
    """Pack, verify, or both."""
    from pycls.core.machine import usable_cores
    from pycls.dataset_tools.packing import pack_folders, verify_folder
    from pycls.dataset_tools.packing.options import PackOptions

    num_workers = args.workers if args.workers > 0 else usable_cores()
    if args.src is None and not args.verify:
        raise ValueError("two folders are needed, SRC and DST, or --verify for one that is packed")
    if args.src is not None:
        options = PackOptions(args.max_side, args.quality, args.reencode_all, args.shard_mb)
        pack_folders(args.src, args.dst, args.split, options, num_workers)
    return 1 if args.verify and verify_folder(args.dst, num_workers) else 0


if __name__ == "__main__":
    sys.exit(run_plain_tool(build_parser(), act))
