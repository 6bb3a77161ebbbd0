"""Which commands of the pages are run, and which ones before them."""

import contextlib
import re
import shlex
from collections import Counter
from collections.abc import Iterable, Sequence

from tests.helpers.documented.find import PAGES, Command, commands_of_page
from tests.helpers.documented.supplies import supply_of
from tests.helpers.documented.words import expanded

FOUND = sorted((command for path in PAGES for command in commands_of_page(path)), key=lambda c: (c.page, c.line))


def once(commands: Iterable[Command]) -> list[Command]:
    """Leave out what means the same as one before, but for parts of a longer block, which need one another."""
    lengths = Counter((command.page, command.block) for command in FOUND)
    known, kept = set(), []
    for command in commands:
        is_part = command.block and lengths[command.page, command.block] > 1
        if is_part or meaning(command.text) not in known:
            kept.append(command)
        known.add(meaning(command.text))
    return kept


def meaning(text: str) -> str:
    """Return the same for commands that are run on the same files."""
    with contextlib.suppress(ValueError):
        text = "\n".join(" ".join(map(supply_of, words)) for words in expanded(text))
    return text


def needed(command: Command, commands: Sequence[Command] = FOUND) -> list[Command]:
    """Return what comes before a command: the block it is in, and on the page what wrote the runs that it reads."""
    earlier = [other for other in commands if other.page == command.page and other.line < command.line]
    return [other for other in earlier if (other.block and other.block == command.block) or reads(command, other)]


def reads(command: Command, other: Command) -> bool:
    """Tell whether a command reads what a training wrote, in OUT_DIR; one that trains there itself stands alone."""
    written = re.findall(r"train\S* .*\bOUT_DIR (\S+)", other.text)
    if not written or re.search(r"train\S* ", command.text):
        return False
    with contextlib.suppress(ValueError):
        return any(word == written[0] or word.startswith(f"{written[0]}/") for word in shlex.split(command.text))
    return False


def stage_name(command: Command) -> str:
    """Return the same for commands that follow one another in one folder."""
    before = needed(command)
    return stage_name(before[0]) if before else command.place
