"""What the command `pycls zoo` does; each action returns an exit code."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pycls
from pycls.core.logging import print_line
from pycls.core.registry import pick
from pycls.zoo.counts import save_counts
from pycls.zoo.listing import listing
from pycls.zoo.measure import measure
from pycls.zoo.page import PAGE, page
from pycls.zoo.verdict import summary
from pycls.zoo.verify import verify

ROOT = Path(pycls.__file__).parents[1]  # the checkout, or the folder that pycls is installed in


def check_checkout(root: Path, call: str) -> None:
    """Raise ValueError where there is no page to write: in an installed package."""
    if not (root / PAGE).is_file():
        raise ValueError(f"{PAGE} is written in a checkout of pycls, this is {root}; try {call} list, or verify NAME")


def write(call: str, root: Path = ROOT) -> int:
    """Count the network of every config and write the page."""
    check_checkout(root, call)
    save_counts(root)
    return write_page(root)


def write_page(root: Path) -> int:
    """Write the page from the records as they are."""
    (root / PAGE).write_text(page(root))
    return 0


def check(call: str, root: Path = ROOT) -> int:
    """Tell whether the page is what the records say; 1: it is not."""
    check_checkout(root, call)
    is_stale = (root / PAGE).read_text() != page(root)
    print(f"{PAGE}: {f'stale, run {call}' if is_stale else 'up to date'}")
    return int(is_stale)


def list_networks(root: Path, words: Sequence[str], call: str) -> int:
    """Print name, counts, published error and config of every network."""
    if words:
        raise ValueError(f"{call} list takes no other words, got '{words[0]}'")
    print(listing(root))
    return 0


def verify_row(root: Path, words: Sequence[str], call: str) -> int:
    """Print what a row says, what is found now and a verdict on each column; 1: a count or an error differs."""
    name, overrides = name_and_overrides(words, f"{call} verify")
    checks = verify(root, name, overrides, print_line)
    print_line(summary(checks))
    return int(any(check.is_wrong for check in checks))


def measure_row(root: Path, words: Sequence[str], call: str) -> int:
    """Time a network and write the page."""
    check_checkout(root, call)
    name, overrides = name_and_overrides(words, f"{call} measure")
    print(measure(root, name, overrides))
    return write_page(root)


def name_and_overrides(words: Sequence[str], call: str) -> tuple[str, Sequence[str]]:
    """Split NAME KEY VALUE ...; ValueError without a name."""
    if not words:
        raise ValueError(f"expected the name of a network or a config after '{call}'")
    return words[0], words[1:]


ACTIONS: dict[str, Callable[[Path, Sequence[str], str], int]] = {
    "list": list_networks,
    "measure": measure_row,
    "verify": verify_row,
}


def act_on_words(words: Sequence[str], call: str, root: Path = ROOT) -> int:
    """Do what the first word says, with the words after it; `call` is what the user types before them."""
    return pick(ACTIONS, words[0], "the first word")(root, words[1:], call)
