"""Pack image folders into tar shards."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from pycls.commands.number_types import whole
from pycls.core.cli import OneLineParser, run_plain_tool

DESCRIPTION = """Pack class folders into tar shards with an index: few large files for the disks of a cluster.

  {call} SRC DST       pack SRC/train, SRC/val and SRC/test, or SRC itself if it has none of them
  {call} DST --verify  read everything back and compare the checksums

Stopped at any point, even by kill -9, the same command goes on and gives the same files. Training then takes DATA_DIR
DST, with the same order of images, crops and batches as from SRC. Any tar, and the webdataset library, read the shards.
The bytes of the files stay as they are unless --max-side or --reencode-all is given. docs/PACKED.md says more."""
EXAMPLE = "/data/imagenet /scratch/imagenet-packed --verify"


def build_parser(prog: str) -> OneLineParser:
    """Return the parser."""
    parser = OneLineParser(prog, DESCRIPTION, EXAMPLE)
    add = parser.add_argument
    add("src", metavar="SRC", type=Path, nargs="?", help="a folder of class folders, or of splits")
    add("dst", metavar="DST", type=Path, help="folder for the shards")
    add("--split", action="append", default=[], metavar="NAME", help="folder of SRC to pack; may be repeated")
    add("--max-side", type=whole(1, 65535), metavar="PX", help="re-encode images with a longer side: other pixels!")
    add("--reencode-all", action="store_true", help="re-encode the others, too, where it saves bytes")
    add("--quality", type=whole(1, 100), metavar="Q", default=90, help="JPEG quality of re-encoded images (90)")
    add("--shard-mb", type=whole(1, 10**6), metavar="MB", default=512, help="10^6 bytes of a shard (512)")
    add("--workers", type=whole(0, 1024), metavar="N", default=0, help="threads (default: 0, one for each usable core)")
    add("--verify", action="store_true", help="read all of DST back")
    add("--traceback", action="store_true", help="show where in the code an error arose")
    return parser


def act(args: argparse.Namespace) -> int:
    """Pack, verify, or both."""
    from pycls.core.machine import usable_cores
    from pycls.dataset_tools.packing import pack_folders, verify_folder
    from pycls.dataset_tools.packing.options import PackOptions

    num_workers = args.workers or usable_cores()
    if args.src is None and not args.verify:
        raise ValueError("two folders are needed, SRC and DST, or --verify for one that is packed")
    if args.src is not None:
        options = PackOptions(args.max_side, args.quality, args.reencode_all, args.shard_mb)
        pack_folders(args.src, args.dst, args.split, options, num_workers)
    return 1 if args.verify and verify_folder(args.dst, num_workers) else 0


def main(prog: str, words: Sequence[str]) -> int:
    """Run the command."""
    return run_plain_tool(build_parser(prog), act, words)
