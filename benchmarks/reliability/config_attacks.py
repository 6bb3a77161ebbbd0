"""Values that nobody should be able to stop a machine with, for every config key: data, no program.

`key_attacks()` yields (KEY, text) for all keys; each either works or is refused by one line that names the key.
"""

from collections.abc import Iterator

from pycls.core.config.defaults import declared_keys
from pycls.core.config.key import Key

_ODD = (
    "",
    " ",
    "-0",
    "nan",
    "inf",
    "-inf",
    "1e999",
    "-1e999",
    "0x10",
    "1_000",
    "1e3",
    "None",
    "[]",
    "{}",
    "()",
    "True",
)
_WHOLE = (
    "-1",
    "0",
    "1",
    "999999",
    "1000000",
    "100000000",
    "1000000000000",
    str(2**63 - 1),
    str(2**63),
    "10**10",
    "9" * 400,
    "9" * 5000,
    "0x" + "f" * 20_000,
    "1.5",
)
_REAL = ("-1", "0", "1", "1e-300", "5e-324", "0.999999999", "1e30", "1e300", "1e308", "9" * 400, "9" * 5000, "1.5")
_TEXTS = (
    "x" * 100_000,
    "../../../../etc/passwd",
    "/dev/zero",
    "/dev/full",
    "/proc/self/mem",
    "a\nb",
    "a\x1b[31mb",
    "a\0b",
    "%s%n{0}$HOME",
    "~nobody_like_this/x",
    "RandAugment_N999999_M9",
    "RandAugment_N2_M999999999999",
    f"RandAugment_N{'9' * 5000}_M9",
    "d1e999_w1",
    "d" * 10_000,
    "http://user:secret@127.0.0.1:9/x.pyth",
    "http://[::1/x.pyth",
    "cuda:999999999",
    "((((((" * 2000,
    "-" * 20_000 + "1",
    "9" * 5000,
)
_LISTS = (
    "[]",
    "[-1]",
    "[0]",
    "[1000000]",
    "[1000000, 1000000, 1000000, 1000000]",
    "[1000, 1000, 1000, 1000]",
    "[1e999]",
    "[nan]",
    "[inf, inf]",
    "[0x" + "f" * 10_000 + "]",
    "[" + "9" * 5000 + "]",
    "[" + "9" * 400 + "]",
    "[" + "1," * 50_000 + "1]",
    "[" * 500 + "]" * 500,
    "[" * 50_000,
    "[[1, 1000000], [1000000, 1000000]]",
    "[[0, 64], [1, 64], [2, 999999]]",
    "[True, False]",
    "['" + "x" * 50_000 + "']",
)


def values_for(row: Key) -> tuple[str, ...]:
    """Return extreme texts for a key, by the type of its default."""
    own = {bool: (), int: _WHOLE, float: _REAL, str: _TEXTS, list: _LISTS}[type(row.default)]
    pairs = ("[999999, 1]", "[1, 16384]", "[-1, -1]", "[1, 2, 3]") if row.may_be_pair else ()
    bounds = (row.at_least, row.above, row.at_most, row.below)
    ends = tuple(str(bound) for bound in bounds if bound is not None and not isinstance(row.default, list))
    return (*_ODD, *own, *pairs, *ends)


def key_attacks() -> Iterator[tuple[str, str]]:
    """Yield (KEY, text) for every key and each of its extreme values."""
    for key, row in declared_keys(outside=False).items():
        for text in dict.fromkeys(values_for(row)):
            yield key, text
