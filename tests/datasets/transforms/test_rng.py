"""The hash against splitmix64's published outputs, and the draws against the laws they claim."""

import numpy as np
from scipy.stats import kstest

from pycls.datasets.transforms.rng import GAMMA, Stream, mix, normals, uniforms

INDICES = np.arange(5000)


def test_mix_gives_the_published_splitmix64_sequence():
    states = np.uint64(1234567) + np.arange(1, 6, dtype=np.uint64) * np.uint64(GAMMA)
    expected = [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
    assert mix(states).tolist() == expected


def test_uniforms_are_uniform_and_below_one():
    draws = uniforms(1, Stream.BOX, 0, INDICES, 4)
    assert draws.shape == (5000, 4) and draws.dtype == np.float64
    assert draws.min() >= 0 and draws.max() < 1
    assert min(kstest(column, "uniform").pvalue for column in draws.T) > 1e-3


def test_normals_are_normal():
    draws = normals(3, Stream.LIGHTING, 2, INDICES, 3)
    assert min(kstest(column, "norm").pvalue for column in draws.T) > 1e-3


def test_a_draw_does_not_depend_on_the_batch_it_is_asked_in():
    whole = uniforms(7, Stream.BOX, 3, INDICES, 8)
    part = uniforms(7, Stream.BOX, 3, np.array([4000, 2, 77]), 5)
    np.testing.assert_array_equal(part, whole[[4000, 2, 77], :5])


def test_seeds_streams_epochs_neighbors_and_positions_are_uncorrelated():
    base = uniforms(1, Stream.BOX, 0, INDICES, 2)
    others = {
        "seed": uniforms(2, Stream.BOX, 0, INDICES, 1)[:, 0],
        "stream": uniforms(1, Stream.FLIP, 0, INDICES, 1)[:, 0],
        "epoch": uniforms(1, Stream.BOX, 1, INDICES, 1)[:, 0],
        "seed and epoch swapped": uniforms(0, Stream.BOX, 1, INDICES, 1)[:, 0],
        "neighbor": np.roll(base[:, 0], 1),
        "position": base[:, 1],
    }
    for name, other in others.items():
        assert abs(np.corrcoef(base[:, 0], other)[0, 1]) < 4.5 / np.sqrt(len(INDICES)), name  # 4.5 sigma
        assert (base[:, 0] == other).sum() == 0, name


def test_negative_and_huge_seeds_are_accepted():
    for seed in (-1, 2**63, 2**70 + 5):
        assert uniforms(seed, Stream.ORDER, 10**6, np.array([0]), 1).shape == (1, 1)
