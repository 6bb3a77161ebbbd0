"""One row of a list of bad input."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.reliability.case import Room


@dataclass(frozen=True)
class Bad:
    """A command, what it is given, and what its one line must name."""

    words: str  # as a shell reads them; {here} is the case's folder, {data} and so on the fixtures
    says: str  # pattern that the line must have
    files: Mapping[str, str | bytes] = field(default_factory=dict)  # written into {here} first
    make: Callable[["Room"], None] | None = None  # makes what else there is
    needs: tuple[str, ...] = ()  # fixtures, besides the data
    environment: Mapping[str, str] = field(default_factory=dict)
    begins: bool = False  # what is wrong shows in the run, which has begun to write by then
    name: str = ""  # where the words do not tell rows apart

    @property
    def title(self) -> str:
        """Name the case."""
        return self.name or self.words.replace("{root}/", "")
