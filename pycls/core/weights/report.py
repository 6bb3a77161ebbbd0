"""What loading weights did to a network, in words."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from pycls.core.registry import listed

_FEW = 3  # names that are listed one by one; more are counted by module
_MOST_MODULES = 24  # as many as a line of a log may name


@dataclass
class LoadReport:
    """What `load_weights` did: names of tensors, and the layout of the file."""

    layout: str
    matched: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)  # in the model, not in the file, or not as the model needs it
    unexpected: list[str] = field(default_factory=list)  # in the file, not in the model
    reinitialized: list[str] = field(default_factory=list)  # a classifier of another size keeps its fresh values
    reshaped: dict[str, str] = field(default_factory=dict)  # those missing that have another shape: which
    rejected: dict[str, str] = field(default_factory=dict)  # those missing whose numbers do not do: why
    other_network: str = ""  # how the file's network computes something else with the same tensors
    doubt: str = ""  # what is not known of how the file's network computes
    notes: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        counts = f"{len(self.matched)} tensors matched, {len(self.missing)} missing, {len(self.unexpected)} unexpected"
        names = f"; re-initialized: {', '.join(self.reinitialized)}" if self.reinitialized else ""
        fresh = f"; missing: {listed(self.missing, _FEW)}" if self.missing else ""
        return f"{self.layout}: {counts}{fresh}{names}" + "".join(f"; {note}" for note in self.notes)

    @property
    def fresh(self) -> list[str]:
        """The tensors of the network that keep the values they had."""
        return self.missing + self.reinitialized

    @property
    def absent(self) -> list[str]:
        """The tensors that are missing because the file has none of their names."""
        return [name for name in self.missing if name not in self.reshaped and name not in self.rejected]

    def left_out(self) -> list[str]:
        """Return what file and network do not have in common, a line a kind, counted by module; empty if they fit."""
        lines = {
            "In the network only, keeps its fresh values": by_module(self.absent),
            "In the file only, left out": by_module(self.unexpected),
            "Left out for its shape": reasons(self.reshaped),
            "Left out for its numbers": reasons(self.rejected),
            "Fits, but means another network": self.other_network,
        }
        return [f"{what}: {names}" for what, names in lines.items() if names]


def misfits(absent: Sequence[str], unexpected: Sequence[str], resized: Sequence[str], wrong: dict[str, str]) -> str:
    """Return in words what keeps weights from being those of a network: "64 tensors not in the network (...)".

    `wrong`: {name: why the tensor cannot be used}.
    """
    counted = {"missing": absent, "of another size": resized, "not in the network": unexpected}
    words = [f"{len(names)} tensors {what} ({_some(names)})" for what, names in counted.items() if names]
    return "; ".join(filter(None, [reasons(wrong), *words]))


def reasons(wrong: dict[str, str]) -> str:
    """Return the first of {name: what is wrong with the tensor} as a sentence has them."""
    return listed([f"{name} {why}" for name, why in wrong.items()], _FEW)


def _some(names: Sequence[str]) -> str:
    return listed(names, _FEW) if len(names) <= _FEW else by_module(names, 4)


def by_module(names: Sequence[str], most: int = _MOST_MODULES) -> str:
    """Count names by the modules they lie in, "s3.b7 (18), s3.b8 (18)": as deep as the modules can all be named."""
    modules = [name.rpartition(".")[0].split(".") if "." in name else [name] for name in names]
    depths = range(max(map(len, modules), default=1), 0, -1)
    groups = [Counter(".".join(module[:depth]) for module in modules) for depth in depths]
    fitting = next((group for group in groups if len(group) <= most), groups[-1])
    return listed([f"{module} ({count})" for module, count in fitting.items()], most)
