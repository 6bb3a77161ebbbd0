"""What every file backend promises about order, epochs, lifetimes and errors, whatever its workers."""

import numpy as np
import pytest
import torch
from PIL import Image

from pycls.datasets.readers.samples import FileSamples
from pycls.datasets.samplers import epoch_order
from tests.helpers.backends import NAMES, draw, make_backend, make_view
from tests.helpers.photographs import encode, write_files

pytestmark = pytest.mark.parametrize("name", NAMES)
SMALL = {"size": 32, "resize": 36}


@pytest.fixture(scope="module")
def numbered(tmp_path_factory: pytest.TempPathFactory) -> FileSamples:
    """120 images of one color each, red = 2 x index."""
    colors = {f"{i:03d}.png": encode(Image.new("RGB", (48, 40), (2 * i, 0, 0)), "PNG") for i in range(120)}
    return write_files(tmp_path_factory.mktemp("numbered"), colors)


def _indices(squares: np.ndarray) -> list[int]:
    return (squares[:, 16, 16, 0] // 2).tolist()


def _batches(order: np.ndarray, size: int) -> list[np.ndarray]:
    return [order[start : start + size] for start in range(0, len(order), size)]


def test_order_and_short_last_batch(name, numbered):
    backend = make_backend(name, numbered, make_view(**SMALL), max_batch=32)
    order = epoch_order(1, 0, 120)[:77]
    batches = [batch.clone() for batch in backend.batches(0, _batches(order, 32))]
    backend.close()
    assert [tuple(batch.shape) for batch in batches] == [(32, 32, 32, 3), (32, 32, 32, 3), (13, 32, 32, 3)]
    assert all(batch.dtype == torch.uint8 for batch in batches)
    assert _indices(torch.cat(batches).numpy()) == order.tolist()


def test_a_batch_lives_until_the_second_next_is_drawn(name, numbered):
    backend = make_backend(name, numbered, make_view(**SMALL))
    batches = _batches(np.arange(120), 10)
    held = None
    for number, batch in enumerate(backend.batches(0, batches)):
        if held is not None:
            assert _indices(held.numpy()) == batches[number - 1].tolist()
        held = batch
    backend.close()


def test_no_batches_are_no_error(name, numbered):
    backend = make_backend(name, numbered, make_view(**SMALL))
    assert list(backend.batches(0, [])) == []
    backend.close()


def test_a_new_epoch_ends_the_one_left_open(name, numbered):
    backend = make_backend(name, numbered, make_view(**SMALL))
    first = backend.batches(0, _batches(np.arange(120), 8))
    next(first)
    assert _indices(draw(backend, 1, [[7, 3], [5]])) == [7, 3, 5]
    assert list(first) == []
    for _ in backend.batches(2, _batches(np.arange(120), 8)):
        break
    assert _indices(draw(backend, 3, [[1, 2]])) == [1, 2]
    backend.close()


def test_epochs_differ_and_repeat_exactly(name, photographs):
    backend = make_backend(name, photographs, make_view(size=48))
    first, second, again = (draw(backend, epoch, [range(8)]) for epoch in (0, 1, 0))
    backend.close()
    assert (first == again).all()
    assert (first != second).any(axis=(1, 2, 3)).all()


def test_batching_and_workers_do_not_change_the_pixels(name, photographs):
    view, results = make_view(size=64), []
    for num_workers, size in ((0, 21), (1, 4), (3, 5)):
        backend = make_backend(name, photographs, view, num_workers)
        results.append(draw(backend, 2, _batches(np.arange(len(photographs)), size)))
        backend.close()
    assert all((result == results[0]).all() for result in results)


BROKEN = {
    "truncated.JPEG": lambda photo: photo[: len(photo) // 2],
    "truncated_inside_header.JPEG": lambda photo: photo[:40],
    "empty.JPEG": lambda photo: b"",
    "text.JPEG": lambda photo: b"This is no image.\n" * 20,
    # Looks whole from outside; the decoder itself must fail: the quantization tables are hidden in a comment.
    "no_tables.JPEG": lambda photo: photo.replace(b"\xff\xdb", b"\xff\xfe"),
}


@pytest.mark.parametrize("num_workers", [0, 2])
@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_file_is_named_and_the_backend_goes_on(name, broken, num_workers, tmp_path):
    photo = encode(Image.effect_noise((90, 70), 60).convert("RGB"))
    files = {f"good_{number}.JPEG": photo for number in range(5)}
    samples = write_files(tmp_path, {**files, broken: BROKEN[broken](photo)})
    backend = make_backend(name, samples, make_view(**SMALL), num_workers)
    with pytest.raises(ValueError, match=f"{broken}: ") as caught:
        draw(backend, 0, [[0, 1], [2, 5], [3, 4]])
    assert "\n" not in str(caught.value)
    assert draw(backend, 0, [[0, 1], [2, 3]]).shape == (4, 32, 32, 3)
    backend.close()


def test_the_batches_before_a_broken_file_still_come(name, tmp_path):
    photo = encode(Image.effect_noise((90, 70), 60).convert("RGB"))
    samples = write_files(tmp_path, {"a.JPEG": photo, "b.JPEG": photo, "broken.JPEG": photo[:99]})
    backend = make_backend(name, samples, make_view(**SMALL))
    batches = backend.batches(0, [np.array([0]), np.array([1]), np.array([2])])
    assert [len(next(batches)), len(next(batches))] == [1, 1]
    with pytest.raises(ValueError, match=r"broken\.JPEG"):
        next(batches)
    backend.close()


def test_no_global_random_number_is_drawn(name, numbered):
    before = torch.get_rng_state(), np.random.get_state()[1].tolist()
    backend = make_backend(name, numbered, make_view(**SMALL))
    draw(backend, 0, [range(4)])
    draw(backend, 1, [range(4)])
    backend.close()
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.random.get_state()[1].tolist() == before[1]


def test_a_file_that_went_away_is_named(name, tmp_path):
    samples = write_files(tmp_path, {"gone.JPEG": b""})
    (tmp_path / "gone.JPEG").unlink()
    backend = make_backend(name, samples, make_view(**SMALL))
    with pytest.raises(ValueError, match=r"gone\.JPEG"):
        draw(backend, 0, [[0]])
    backend.close()


def test_a_worker_mode_that_is_not_there_is_refused(name, numbered):
    impossible = {"custom": "fibres", "custom_opencv": "fibres", "torch": "threads", "dali_cpu": "processes"}[name]
    with pytest.raises(ValueError, match="WORKER_MODE"):
        make_backend(name, numbered, make_view(**SMALL), worker_mode=impossible)
