"""What figures of training loops say: tables, our share of the floor, and whether the goals are met."""

from collections.abc import Sequence
from typing import Protocol

from benchmarks.rotation import Timed
from benchmarks.training.case import Case

LEAST_OF_RESNET_50 = 1.15  # times the fastest peer, bf16
LEAST_OF_ANY = 1.0


class Measured(Protocol):
    """A setting, the loops timed in it, and the least seconds (arithmetic, memory) of a step."""

    case: Case
    timed: dict[str, Timed]
    floor_sec: tuple[float, float]


def table(rows: Sequence[Measured], ours: str) -> str:
    """Return a Markdown table with a line for each setting and loop; the ratio is ours to the loop's."""
    lines = ["| network | format | layout | mode | loop | images/s | spread | ours is | peak MB |"]
    lines.append("| --- | --- | --- | --- | --- | ---: | ---: | ---: | ---: |")
    for row in rows:
        case = row.case
        setting = f"{case.model} | {case.format} | {case.layout} | {case.mode}"
        for name, timed in row.timed.items():
            ratio = "" if name == ours else f"**{row.timed[ours].median / timed.median:.2f}** x"
            cells = f"{timed.median:.1f} | {timed.spread_pct:.0f} % | {ratio} | {timed.peak_mb:.0f}"
            lines.append(f"| {setting} | {name} | {cells} |")
    return "\n".join(lines)


def floor_table(rows: Sequence[Measured], ours: str) -> str:
    """Return a Markdown table of the least time of a step and our share of it."""
    lines = ["| setting | step (ms) | arithmetic (ms) | memory (ms) | share of the floor |"]
    lines.append("| --- | ---: | ---: | ---: | ---: |")
    for row in rows:
        step = row.case.batch / row.timed[ours].median
        arithmetic, memory = row.floor_sec
        share = 100 * max(row.floor_sec) / step
        lines.append(f"| {row.case} | {1e3 * step:.1f} | {1e3 * arithmetic:.1f} | {1e3 * memory:.1f} | {share:.0f} % |")
    return "\n".join(lines)


def verdicts(rows: Sequence[Measured], ours: str) -> list[str]:
    """Return a sentence for each goal: the best setting of ours against the best setting of any peer."""
    models = list(dict.fromkeys(row.case.model for row in rows))
    judged = [_verdict([row for row in rows if row.case.model == model], ours, model, LEAST_OF_ANY) for model in models]
    bf16 = [row for row in rows if (row.case.model, row.case.format) == ("ResNet-50", "bf16")]
    if bf16:
        judged.insert(0, _verdict(bf16, ours, "ResNet-50 bf16", LEAST_OF_RESNET_50))
    return judged


def _verdict(rows: Sequence[Measured], ours: str, what: str, least: float) -> str:
    best, best_case = max((row.timed[ours].median, str(row.case)) for row in rows)
    peers = [(t.median, name, str(row.case)) for row in rows for name, t in row.timed.items() if name != ours]
    if not peers:
        return f"{what}: no peer was measured"
    rate, name, case = max(peers)
    word = "met" if best >= least * rate else "MISSED"
    return (
        f"{what}: {word}: {best / rate:.2f} x the fastest peer, goal {least:.2f} "
        f"(ours {best:.1f} images/s: {best_case}; {name} {rate:.1f}: {case})"
    )
