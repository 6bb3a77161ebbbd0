"""What tools/model_zoo.py does; each returns an exit code."""

from collections.abc import Callable, Sequence
from pathlib import Path

from pycls.core.registry import pick
from pycls.zoo.counts import save_counts
from pycls.zoo.measure import measure
from pycls.zoo.page import PAGE, page
from pycls.zoo.verify import verify


def write(root: Path) -> int:
    """Count the network of every config and write the page."""
    save_counts(root)
    return write_page(root)


def write_page(root: Path) -> int:
    """Write the page from the records as they are."""
    (root / PAGE).write_text(page(root))
    return 0


def check(root: Path) -> int:
    """Tell whether the page is what the records say; 1: it is not."""
    is_stale = (root / PAGE).read_text() != page(root)
    print(f"{PAGE}: {'stale, run python tools/model_zoo.py' if is_stale else 'up to date'}")
    return int(is_stale)


def verify_row(root: Path, name: str, overrides: Sequence[str]) -> int:
    """Print what a row says and what is found now; 1: something differs."""
    print(f"{'':28} {'recorded':>18} {'now':>18}")
    return int(any(check.is_wrong for check in verify(root, name, overrides, print)))


def measure_row(root: Path, name: str, overrides: Sequence[str]) -> int:
    """Time a network and write the page."""
    print(measure(root, name, overrides))
    return write_page(root)


ACTIONS: dict[str, Callable[[Path, str, Sequence[str]], int]] = {"measure": measure_row, "verify": verify_row}


def act_on_row(root: Path, words: Sequence[str]) -> int:
    """Do what the first word says with the network that the second one names."""
    action = pick(ACTIONS, words[0], "the first word")
    if len(words) < 2:
        raise ValueError(f"expected the name of a network or a config after '{words[0]}'")
    return action(root, words[1], words[2:])
