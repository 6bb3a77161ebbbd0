"""Fill a part of a batch: what a worker does, whichever library decodes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from pycls.datasets.decoders.encoded import EncodedBatch, EncodedImage, naming, read_encoded
from pycls.datasets.heartbeat import NOTHING, Heartbeat, HeartbeatBoard
from pycls.datasets.readers.samples import EncodedSamples
from pycls.datasets.transforms.view import View, augment
from pycls.datasets.workers.bad_images import Failure, shown_indices, substitutes

# Decodes one image and writes what the view shows of it into its place, uint8 (S, S, 3) RGB.
Show = Callable[[View, EncodedImage, np.ndarray], None]
# Does so with as many images of a chunk as it can; tells of each whether it is done.
ShowChunk = Callable[[View, EncodedBatch, np.ndarray, Heartbeat], Sequence[bool]]


def decode_none(view: View, chunk: EncodedBatch, places: np.ndarray, note: Heartbeat) -> Sequence[bool]:
    """Leave all images to be shown one by one."""
    return [False] * len(chunk.indices)


@dataclass(frozen=True)
class Fetcher:
    """Turn sample indices into the pixels of their places in a batch."""

    samples: EncodedSamples
    view: View
    show: Show
    board: HeartbeatBoard  # where each call notes what it is busy with
    skip_bad: bool = False  # whether a bad image is skipped, not an error
    decode_batch: ShowChunk = decode_none  # tried first

    def __call__(self, places: np.ndarray, epoch: int, indices: np.ndarray, cell: int = 0) -> list[Failure]:
        """Write the images of `indices` into the first of `places`, uint8 (N, S, S, 3); return the bad ones.

        A bad image is a ValueError that names it, or is skipped: in training its place shows a substitute, in
        evaluation it is left as it is. `cell` is this call's own on the board.
        """
        note = self.board.heartbeat(cell)
        try:
            chunk = read_encoded(self.samples, self.view, epoch, indices, note)
            left = self._decode_most(chunk, places, note)
            filled = [self.fill(chunk, row, epoch, places[row], note) for row in left]
            failures = [failure for failure in filled if failure is not None]
            augment(self.view, epoch, shown_indices(indices, failures), places[: len(indices)])
        finally:
            note(NOTHING)
        return failures

    def fill(self, chunk: EncodedBatch, row: int, epoch: int, place: np.ndarray, note: Heartbeat) -> Failure | None:
        """Show one image of a chunk in its place; return its failure if it is bad and may be skipped."""
        index = int(chunk.indices[row])
        note(index)
        try:
            self._show(chunk, row, place)
        except ValueError as error:
            if not self.skip_bad:
                raise
            name = self.samples.name(index)
            substitute = self._substitute(index, epoch, place, note) if self.view.train else None
            return Failure(index, name, str(error).removeprefix(f"{name}: "), substitute)
        return None

    def _decode_most(self, chunk: EncodedBatch, places: np.ndarray, note: Heartbeat) -> list[int]:
        """Show what can be shown in one go; return the other rows."""
        done = self.decode_batch(self.view, chunk, places[: len(chunk.indices)], note)
        return [row for row, shown in enumerate(done) if not shown]

    def _show(self, chunk: EncodedBatch, row: int, place: np.ndarray) -> None:
        image = chunk[row]
        with naming(self.samples, chunk.indices[row]):
            self.show(self.view, image, place)

    def _substitute(self, bad: int, epoch: int, place: np.ndarray, note: Heartbeat) -> int:
        """Show another image of the class, the same view of it as in its own places, and return its index."""
        first_view = bad % len(self.samples)
        tried = substitutes(self.samples.labels, self.view.seed, epoch, first_view) + (bad - first_view)
        for index in tried:
            try:
                chunk = read_encoded(self.samples, self.view, epoch, np.array([index]), note)
                for row in self._decode_most(chunk, place[None], note):
                    self._show(chunk, row, place)
            except ValueError:
                continue
            return int(index)
        class_name = self.samples.classes[self.samples.labels[first_view]]
        raise ValueError(
            f"{self.samples.name(bad)}: cannot be read, nor can the {len(tried)} images of class {class_name} "
            "that were tried in its place; pycls check-data lists all bad files"
        )
