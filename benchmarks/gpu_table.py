"""Sum up what benchmarks/gpu_suite.sh left in a folder, as one short table and summary.json.

python -m benchmarks.gpu_table runs/gpu_suite
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path

_TIMEOUT_CODES = ("124", "137")  # of timeout: ended, killed


def main() -> None:
    """Print the table and write the summary."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="what was given to gpu_suite.sh")
    folder = parser.parse_args().folder
    parts = [line.split("\t") for line in (folder / "parts.tsv").read_text().splitlines()]
    rows = [(name, ending(code), int(seconds), findings(folder, name)) for name, code, seconds in parts]
    print(table(rows))
    names = ("part", "ending", "seconds", "findings")
    summary = [dict(zip(names, row, strict=True)) for row in rows]
    (folder / "summary.json").write_text(json.dumps(summary, indent=1) + "\n")


def ending(code: str) -> str:
    """Put how a part ended into words."""
    if code in _TIMEOUT_CODES:
        return "TIMED OUT"
    if not code.isdigit():
        return code
    return "ok" if code == "0" else f"FAILED ({code})"


def table(rows: list[tuple[str, str, int, list[str]]]) -> str:
    """Return a Markdown table: a line for each finding of each part."""
    lines = ["| part | ended | s | found |", "| --- | --- | ---: | --- |"]
    for name, ended, seconds, found in rows:
        first, *more = found or ["nothing"]
        lines.append(f"| {name} | {ended} | {seconds} | {first} |")
        lines += [f"| | | | {line} |" for line in more]
    return "\n".join(lines)


def findings(folder: Path, name: str) -> list[str]:
    """Return a line for each figure of a part; of one without figures the last lines that it printed."""
    path = folder / f"{name}.json"
    if path.exists() and name in SUMMARIES:
        return SUMMARIES[name](json.loads(path.read_text()))
    text = folder / f"{name}.txt"
    said = [line.strip("= ") for line in text.read_text().splitlines() if line.strip()] if text.exists() else []
    return [line.replace("|", "/") for line in said[-1:]]


def _train_step(record: dict) -> list[str]:
    left_out = [f"left out: {case}" for case in record["skipped"]]
    return [f"on {record['device']}", *record["verdicts"], *left_out]


def _jpeg_to_step(record: dict) -> list[str]:
    found = []
    for name, row in record["rows"].items():
        if "error" in row:
            found.append(f"{name}: {row['error']}")
            continue
        rates = f"{row['loader_images_per_sec']:.0f} alone, {row['end_to_end_images_per_sec']:.0f} with ResNet-50"
        found.append(f"{name}: {rates} images/s, waits {row['data_wait_pct']:.1f} %")
    return [*found, record["verdict"]]


def _inference(record: dict) -> list[str]:
    """Return the fastest setting of each network, ours and timm's."""
    best: dict[tuple[str, str], dict] = {}
    for row in record["rows"]:
        key = row["model"], row["network"]
        best[key] = min(best.get(key, row), row, key=lambda each: each["p50_ms"])
    found = [
        f"{model}, {network}: {row['p50_ms']:.1f} ms for 64 images (p95 {row['p95_ms']:.1f}): {row['format']}, "
        f"{row['layout']}, {row['mode']}"
        for (model, network), row in best.items()
    ]
    return found + [f"left out: {model}" for model in record["left_out"]]


SUMMARIES: dict[str, Callable[[dict], list[str]]] = {
    "train_step": _train_step,
    "jpeg_to_step": _jpeg_to_step,
    "inference": _inference,
}


if __name__ == "__main__":
    main()
