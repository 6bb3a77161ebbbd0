"""What widths, depths and ratios of a network may be: makers of declarations that many keys share."""

from functools import partial

from pycls.core.config.key import Key

WIDEST = 1_000_000  # channels: more is a slip of the keyboard
MOST_BLOCKS = 1000  # the same, in a row

width = partial(Key, decides="network", at_least=1, at_most=WIDEST)
depths = partial(Key, decides="network", items=int, at_least=1, at_most=MOST_BLOCKS)
widths = partial(Key, decides="network", items=int, at_least=1, at_most=WIDEST)
strides = partial(Key, decides="network", items=int, at_least=1, at_most=64)
kernels = partial(Key, decides="network", items=int, at_least=1, at_most=255)
ratio = partial(Key, decides="network", at_least=0.001, at_most=100)
ratios = partial(Key, decides="network", items=float, at_least=0.001, at_most=100)
drop_rate = partial(Key, decides="training", at_least=0, below=1)
probability = partial(Key, at_least=0, at_most=1)
