"""From a command as it is printed to the words of one that can be typed: placeholders, choices, optional parts."""

import itertools
import re
import shlex

from pycls.core.config import flatten, load_cfg
from tests.helpers.paths import ROOT

KEYS = {key for key, _ in flatten(load_cfg(None))}

# What stands for more than one word, in the text: (pattern, what it becomes).
TEXTS = (
    (r" \[options\]", ""),
    (r"\[KEY VALUE \.\.\.\]", "KEY_VALUE"),
    (r"pack_data\.py DST --verify", "pack_data.py scratch/packed --verify"),
    (r"\[([A-Z-][^][]*)\]", r"\1"),  # optional parts are given
    (r"(?<=predict\.py) \.\.\.", " photos --weights runs/mine/checkpoints/best.pyth"),
    (r"(?<=train_net\.py) \.\.\.", " --cfg my_training.yaml"),
    (r"(?<=[A-Z]) \.\.\.", ""),  # one of several
)
# A word and what it becomes; a word before it, or a tool and a space, decides where one stands for several things.
WORDS = {
    "--cfg FILE": "my_training.yaml",
    "--csv F": "predictions.csv",
    "--jsonl F": "predictions.jsonl",
    "--backend NAME": "custom",
    "--images PATH": "photos",
    "--weights FILE": "runs/mine/checkpoints/best.pyth",
    "TEST.WEIGHTS FILE.pyth": "runs/mine/checkpoints/best.pyth",
    "TRAIN.WEIGHTS FILE": "lite0.pth",
    "DATA_DIR DIR": "photos",
    "compare-loaders DATA_DIR": "photos",
    "convert SRC": "runs/mine/checkpoints/best.pyth",
    "convert DST": {"safetensors": "a.safetensors", "torchvision": "a.pth", "pycls": "a.pyth", "ours": "b.pyth"},
    "export CHECKPOINT": "runs/mine/checkpoints/best.pyth",
    "export OUT": {"onnx": "mine.onnx", "torch": "mine.pt2"},
    "pack SRC": "photos",
    "pack DST": "packed",
    "verify NAME": "RegNetX-200MF",
    "compare-runs RUN": "runs/digits",
    "DIR": "photos",
    "IMAGE": "photos/val/cat/1.png",
    "OUT_DIR/checkpoints/best.pyth": "runs/mine/checkpoints/best.pyth",
}
# Keys that a tool needs.
KEY_VALUES = {"scale": ["MODEL.SCALING_TYPE", "w", "MODEL.SCALING_FACTOR", "2", "CFG_DEST", "scaled.yaml"]}
_PLACEHOLDER = re.compile(r"[A-Z][A-Z_]*(\.pyth|\.yaml)?|<[\w ]+>?|\[[A-Za-z-].*|\||\.\.\.")


def expanded(text: str) -> list[list[str]]:
    """Return the words of each command that a printed one stands for, nothing in them left to the reader.

    ValueError for a placeholder that no table here knows.
    """
    for pattern, replacement in TEXTS:
        text = re.sub(pattern, replacement, text)
    commands = [list(words) for words in itertools.product(*choices(shlex.split(text)))]
    filled = [_with_keys([_filled(words, index) for index in range(len(words))]) for words in commands]
    for words in filled:
        _check_complete(words)
    return filled


def choices(words: list[str]) -> list[list[str]]:
    """Return the alternatives at each place: `a | b`, `a|b`."""
    places: list[list[str]] = []
    joins = False
    for word in words:
        if word == "|":
            joins = True
        elif joins:
            places[-1].append(word)
            joins = False
        else:
            places.append(word.split("|") if re.fullmatch(r"\w+(\|\w+)+", word) else [word])
    return places


def _filled(words: list[str], index: int) -> str:
    word, tool = words[index], kind_of(words)
    before = words[index - 1] if index else ""
    if before in KEYS and f"{before} {word}" not in WORDS:
        return word
    for key in (f"{before} {word}", f"{tool} {word}", word):
        found = WORDS.get(key)
        if isinstance(found, dict):
            return next(value for choice, value in found.items() if choice in words)
        if found and not (word in KEYS and is_pair(words, index)):
            return found
    return word


def _with_keys(words: list[str]) -> list[str]:
    """Replace what stands for keys and values by some."""
    mode = next((mode for mode in KEY_VALUES if mode in words), "")
    pairs = KEY_VALUES.get(mode, ["RNG_SEED", "3"])
    return [part for word in words for part in (pairs if word == "KEY_VALUE" else [word])]


def is_pair(words: list[str], index: int) -> bool:
    """Tell whether a key is followed by its value."""
    return index + 1 < len(words) and not words[index + 1].startswith("-")


def kind_of(words: list[str]) -> str:
    """Return the name of a command of ours, as `pycls` has it: train, compare-loaders, ...; "" for other programs."""
    if words[0] == "pycls" or words[:3] == ["python", "-m", "pycls"]:
        name = words[words.index("pycls") + 1]
        return "" if name.startswith("-") else name
    script = next((word for word in words[:5] if word.startswith("tools/") and word.endswith(".py")), "")
    if not (ROOT / script).is_file():
        return script  # which fails when it is called
    name = re.search(r'run_file\("([\w-]+)', (ROOT / script).read_text())[1]
    return words[words.index("--mode") + 1] if name == "run-net" and "--mode" in words else name


def _check_complete(words: list[str]) -> None:
    code = "-c" in words
    for before, word in itertools.pairwise(["", *words]):
        is_value = before in KEYS and word not in ("FILE", "DIR")
        if word not in KEYS and not is_value and not code and _PLACEHOLDER.fullmatch(word):
            raise ValueError(f"nothing is known to stand for '{word}': see tests/helpers/documented/words.py")
