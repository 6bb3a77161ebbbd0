"""How far threads carry: the custom backend's own Python on a machine with as many cores as it has threads.

    python -m benchmarks.loaders.threads  # about a minute; writes its section of benchmarks/RESULTS.md

Reading files and decoding release Python's global lock (GIL); drawing crops and handing out work hold it, one thread
at a time. Here the decoding of a few images, one call into C, is replaced by a sleep of the same length, which
releases the GIL and takes no core: so many cores can be simulated on few. Files are read, on the cores that there
are. What is left of the linear speed shows where the GIL, or reading on these cores, becomes the limit.
"""

import time
from collections.abc import Sequence
from statistics import median

import numpy as np
import torch

from benchmarks.loaders.photos import made_photos
from benchmarks.report import command_line, describe_machine, publish
from pycls.datasets.backends.custom import choose_chunk_size
from pycls.datasets.decoders.encoded import EncodedBatch
from pycls.datasets.decoders.opencv import decode_crop
from pycls.datasets.heartbeat import Heartbeat, HeartbeatBoard
from pycls.datasets.readers.image_folder import load_folder
from pycls.datasets.readers.samples import FileSamples
from pycls.datasets.samplers import epoch_order
from pycls.datasets.transforms.view import View
from pycls.datasets.workers import ThreadWorkers
from pycls.datasets.workers.fetch import Fetcher

_CORES = (1, 2, 4, 8, 16, 32, 64)
_SECONDS = 3.0
_NUM_AHEAD = 3 * 256  # images that are prefetched, for the size of a worker's pieces
_VIEW = View(True, 224, 256, (0.08, 1.0), (3 / 4, 4 / 3), 0.5, "torchvision", True, seed=0)


class Sleep:
    """Stand in for decoding: so many seconds without the GIL and without a core."""

    def __init__(self, seconds: float):
        self.seconds = seconds  # an image

    def __call__(self, view: View, encoded: EncodedBatch, out: np.ndarray, note: Heartbeat) -> Sequence[bool]:
        """Sleep, and say that all is done."""
        time.sleep(self.seconds * len(encoded.indices))
        return [True] * len(encoded.indices)


def time_threads(samples: FileSamples, num_threads: int, decode_ms: float) -> float:
    """Return images/s of so many threads that each have a core of their own."""
    chunk_size = choose_chunk_size(_NUM_AHEAD, num_threads)
    count = int(_SECONDS * num_threads * 1000 / decode_ms / chunk_size) + num_threads
    board = HeartbeatBoard(count, shared=False)
    fetch = Fetcher(samples, _VIEW, decode_crop, board, decode_batch=Sleep(decode_ms / 1000))
    places = np.empty((chunk_size, 1), np.uint8)
    workers = ThreadWorkers(lambda number, indices: fetch(places, 0, indices, number), num_threads)
    order = epoch_order(0, 0, len(samples))
    chunks = [order[start : start + chunk_size] for start in range(0, len(order) - chunk_size, chunk_size)]
    start = time.perf_counter()
    for future in [workers.submit(number, chunks[number % len(chunks)]) for number in range(count)]:
        future.result()
    seconds = time.perf_counter() - start
    workers.close()
    return count * chunk_size / seconds


def table(samples: FileSamples, decode_ms: float, rounds: int) -> str:
    """Return a Markdown table: cores, images/s, part of the linear speed."""
    lines = ["| threads = cores | images/s | of linear |", "| ---: | ---: | ---: |"]
    for cores in _CORES:
        speed = median(time_threads(samples, cores, decode_ms) for _ in range(rounds))
        lines.append(f"| {cores} | {speed:.0f} | {100 * speed * decode_ms / 1000 / cores:.0f} % |")
        print(lines[-1], flush=True)
    return "\n".join(lines)


def main() -> None:
    """Measure and write the table."""
    parser = command_line(__doc__)
    parser.add_argument("--decode-ms", type=float, default=0.9, help="decoding and resizing of one image, ms of a core")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    folder = made_photos(320)
    text = (
        "## How far threads carry\n\n"
        f"{table(load_folder(folder.parent, folder.name), arguments.decode_ms, arguments.rounds)}\n\n"
        f"`custom` with threads; decoding is simulated by a sleep of {arguments.decode_ms} ms "
        f"(benchmarks/loaders/threads.py says why). Command: `python -m benchmarks.loaders.threads "
        f"--decode-ms {arguments.decode_ms}`. {describe_machine()}"
    )
    publish("threads", text, arguments.print_only)


if __name__ == "__main__":
    main()
