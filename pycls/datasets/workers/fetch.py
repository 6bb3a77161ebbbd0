"""Fetch a part of a batch: what a worker does, whichever library decodes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from pycls.datasets.decoders.encoded import EncodedBatch, EncodedImage, naming, read_encoded
from pycls.datasets.heartbeat import NOTHING, Heartbeat, HeartbeatBoard
from pycls.datasets.readers.samples import EncodedSamples
from pycls.datasets.transforms.view import View, augment
from pycls.datasets.workers.bad_images import Failure, shown_indices, substitutes

# Decodes one image and writes its view into an array, uint8 (S, S, 3) RGB.
DecodeOne = Callable[[View, EncodedImage, np.ndarray], None]
# Does so with as many images as it can, into uint8 (n, S, S, 3); tells of each whether it is done.
DecodeBatch = Callable[[View, EncodedBatch, np.ndarray, Heartbeat], Sequence[bool]]


def decode_none(view: View, encoded: EncodedBatch, out: np.ndarray, note: Heartbeat) -> Sequence[bool]:
    """Leave all images to be decoded one by one."""
    return [False] * len(encoded.indices)


@dataclass(frozen=True)
class Fetcher:
    """Turn sample indices into pixels."""

    samples: EncodedSamples
    view: View
    decode_one: DecodeOne
    board: HeartbeatBoard  # where each call notes what it is busy with
    skip_bad: bool = False  # whether a bad image is skipped, not an error
    decode_batch: DecodeBatch = decode_none  # tried first

    def __call__(self, out: np.ndarray, epoch: int, indices: np.ndarray, heartbeat: int = 0) -> list[Failure]:
        """Write the images of `indices` into the first rows of `out`, uint8 (N, S, S, 3); return the bad ones.

        A bad image is a ValueError that names it, or is skipped: in training a substitute is in its row, in
        evaluation it is left as it is. `heartbeat` is the number of this call's own on the board.
        """
        note = self.board.heartbeat(heartbeat)
        try:
            encoded = read_encoded(self.samples, self.view, epoch, indices, note)
            left = self._decode_most(encoded, out, note)
            outcomes = [self.decode_row(encoded, row, epoch, out[row], note) for row in left]
            failures = [failure for failure in outcomes if failure is not None]
            augment(self.view, epoch, shown_indices(indices, failures), out[: len(indices)])
        finally:
            note(NOTHING)
        return failures

    def decode_row(
        self, encoded: EncodedBatch, row: int, epoch: int, out: np.ndarray, note: Heartbeat
    ) -> Failure | None:
        """Decode one image of a batch into `out`, uint8 (S, S, 3); return its failure if it is bad and skipped."""
        index = int(encoded.indices[row])
        note(index)
        try:
            self._decode(encoded, row, out)
        except ValueError as error:
            if not self.skip_bad:
                raise
            name = self.samples.name(index)
            substitute = self._substitute(index, epoch, out, note) if self.view.train else None
            return Failure(index, name, str(error).removeprefix(f"{name}: "), substitute)
        return None

    def _decode_most(self, encoded: EncodedBatch, out: np.ndarray, note: Heartbeat) -> list[int]:
        """Decode what can be decoded in one call; return the other rows."""
        done = self.decode_batch(self.view, encoded, out[: len(encoded.indices)], note)
        return [row for row, is_done in enumerate(done) if not is_done]

    def _decode(self, encoded: EncodedBatch, row: int, out: np.ndarray) -> None:
        image = encoded[row]
        with naming(self.samples, encoded.indices[row]):
            self.decode_one(self.view, image, out)
        if self.view.full:
            np.clip(out, 0, 1, out=out)  # as the bicubic filter of 8 bits does

    def _substitute(self, bad: int, epoch: int, out: np.ndarray, note: Heartbeat) -> int:
        """Decode another image of the class, the same view of it as in its own row, and return its index."""
        first_view = bad % len(self.samples)
        tried = substitutes(self.samples.labels, self.view.seed, epoch, first_view) + (bad - first_view)
        for index in tried:
            try:
                encoded = read_encoded(self.samples, self.view, epoch, np.array([index]), note)
                for row in self._decode_most(encoded, out[None], note):
                    self._decode(encoded, row, out)
            except ValueError:
                continue
            return int(index)
        class_name = self.samples.classes[self.samples.labels[first_view]]
        raise ValueError(
            f"{self.samples.name(bad)}: cannot be read, nor can the {len(tried)} images of class {class_name} "
            "that were tried in its place; pycls check-data lists all bad files"
        )
