"""The networks of the model zoo as lines for people."""

from pathlib import Path
from typing import Any

from pycls.zoo.page import GROUPS
from pycls.zoo.records import Entry, load_counts, load_entries


def listing(root: Path) -> str:
    """Return a line for each network with a config: name, counts in macs, published error, config; published first."""
    counts = load_counts(root)
    entries = [entry for group in GROUPS for entry in load_entries(root, group) if entry.config]
    shown = {entry.config for entry in entries}
    entries += [Entry(Path(config).stem, config) for config in counts if config not in shown]
    head = f"{'network':40} {'flops (M)':>10} {'params (M)':>10} {'top-1 err (%)':>13}  config"
    return "\n".join([head, *(_line(entry, counts[str(entry.config)]["macs"]) for entry in entries)])


def _line(entry: Entry, counted: dict[str, Any]) -> str:
    error = entry.published.get("top1_err", "-")
    flops, params = counted["flops"] / 1e6, counted["params"] / 1e6
    return f"{entry.name:40} {flops:10,.1f} {params:10.2f} {error:>13}  {entry.config}"
