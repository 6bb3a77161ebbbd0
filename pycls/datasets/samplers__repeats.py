"""Several views of an image in one epoch, each with draws of its own.

View v of image i of N is sample i + v * N: crops, flips and all other draws are functions of that number. Usual
training shows view 0 only, repeated augmentation (Hoffer et al., CVPR 2020; Berman et al. 2019) several in a batch, and
the balanced sampler more of the images that it shows more often.
"""


import numpy as np

from pycls.datasets.samplers import epoch_order




def repeated_order(seed: int, epoch: int, num_images: int, repeats: int, batch_size: int) -> np.ndarray:
    """Return the views that an epoch shows, int64 (num_images,): those of an image in one global batch, or at its ends.

    An epoch stays as long as it is without repeats, so that it shows num_images / repeats different images. In a batch
    the views of an image lie a part of it apart, which is on different processes (as in DeiT's sampler).
    """
    shown = epoch_order(seed, epoch, num_images)[: -(-num_images // repeats)]
    order = (shown[:, None] + num_images * np.arange(repeats)).ravel()[:num_images]
    apart = np.argsort(np.arange(batch_size) % repeats, kind="stable")
    whole = num_images // batch_size * batch_size  # the rest is not shown
    order[:whole] = order[:whole].reshape(-1, batch_size)[:, apart].ravel()
    return order
