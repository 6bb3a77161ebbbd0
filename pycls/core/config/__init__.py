"""Load, check and print a config: defaults, then a YAML file, then KEY VALUE pairs.

A mistake is answered by one ValueError line that names the file and line (or the argument), the key, what was expected
and the nearest known key.
"""

import ast
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from yacs.config import CfgNode

from pycls.core.config.augment_spec import check_interpolation, parse_augment
from pycls.core.config.defaults import CHOICES, IGNORED, IMPLIED, MAY_BE_AUTO, RENAMED, TABLES, TRANSLATED, default_cfg
from pycls.core.registry import did_you_mean


class Setting(NamedTuple):
    """One assignment and where the user wrote it; text stays as written, the key's default says what it means."""

    where: str
    key: str
    value: Any


def load_cfg(cfg_file: str | None, overrides: Sequence[str] = ()) -> CfgNode:
    """Return the frozen config: defaults, then the YAML file (None: no file), then `KEY VALUE` pairs."""
    cfg = default_cfg()
    _apply_all(cfg, [*_file_settings(cfg_file), *_override_settings(overrides)])
    check_cfg(cfg)
    cfg.freeze()
    return cfg


def load_cfg_text(text: str, where: str, overrides: Sequence[str] = ()) -> CfgNode:
    """Return the frozen config stored as YAML text, in a checkpoint say; `where` names the source in errors."""
    cfg = default_cfg()
    _apply_all(cfg, [*_text_settings(text, where), *_override_settings(overrides)])
    cfg.freeze()
    return cfg


def with_value(cfg: CfgNode, key: str, value: Any) -> CfgNode:
    """Return a frozen copy of a config with another value of one key, such as "TRAIN.IM_SIZE"."""
    copy, (section, name) = cfg.clone(), key.split(".")
    copy.defrost()
    copy[section][name] = value
    copy.freeze()
    return copy


def dump_cfg(cfg: CfgNode) -> str:
    """Return the whole tree as YAML text that `load_cfg` reads back."""
    return cfg.dump(sort_keys=False)


def dump_changes(cfg: CfgNode) -> str:
    """Return YAML text of the keys that differ from the defaults, in the order of the tree, lists on one line."""
    lines, section = [], ""
    for key, value in diff_cfg(cfg).items():
        *sections, name = key.split(".")
        if sections and sections[0] != section:
            lines.append(f"{sections[0]}:")
        section = sections[0] if sections else ""
        text = yaml.safe_dump([value], default_flow_style=True, width=sys.maxsize).strip()[1:-1]
        lines.append(f"{'  ' if sections else ''}{name}: {text}")
    return "\n".join(lines) + "\n"


def flatten(cfg: CfgNode, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield ("SECTION.KEY", value) for every leaf."""
    for name, value in cfg.items():
        if isinstance(value, CfgNode):
            yield from flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def diff_cfg(cfg: CfgNode, base: CfgNode | None = None) -> dict[str, Any]:
    """Return {"SECTION.KEY": value} of the leaves that differ from `base` (None: the defaults)."""
    old = dict(flatten(default_cfg() if base is None else base))
    return {key: value for key, value in flatten(cfg) if old.get(key) != value}


# ---- where settings come from


def _file_settings(cfg_file: str | None) -> list[Setting]:
    if not cfg_file:
        return []
    path = Path(cfg_file)
    if not path.is_file():
        siblings = [str(p) for p in path.parent.glob("*.y*ml")] if path.parent.is_dir() else []
        raise ValueError(f"{cfg_file}: no such config file{did_you_mean(str(path), siblings)}")
    try:
        return list(_text_settings(path.read_text(encoding="utf-8"), cfg_file))
    except UnicodeDecodeError as error:
        raise ValueError(f"{cfg_file}: not a text file in UTF-8 ({error.reason} at byte {error.start})") from None


def _text_settings(text: str, where: str) -> Iterator[Setting]:
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise ValueError(f"{where}: not valid YAML: {' '.join(str(error).split())}") from None
    if root is None:
        return
    if not isinstance(root, yaml.MappingNode):
        raise ValueError(f"{where}: expected sections like 'MODEL:' with keys below them, found a {root.tag[18:]}")
    yield from _node_settings(root, where, "")


def _node_settings(node: yaml.MappingNode, where: str, prefix: str) -> Iterator[Setting]:
    seen = set()
    for key_node, value_node in node.value:
        key, line = f"{prefix}{key_node.value}", f"{where}:{key_node.start_mark.line + 1}"
        if key in seen:
            raise ValueError(f"{line}: {key} is set twice in this file")
        seen.add(key)
        if key_node.tag == "tag:yaml.org,2002:merge":
            raise ValueError(f"{line}: YAML merge keys (<<) are not supported; write the keys out")
        if isinstance(value_node, yaml.MappingNode) and value_node.value:
            yield from _node_settings(value_node, where, f"{key}.")
        else:
            yield Setting(line, key, _plain(value_node, line))


def _plain(node: yaml.Node, line: str) -> Any:
    """Return lists as lists, null as None, other scalars as the text that is written: YAML would read 1.10 as 1.1."""
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, line) for item in node.value]
    if isinstance(node, yaml.MappingNode):
        return {}
    if not node.tag.startswith("tag:yaml.org,2002:"):
        raise ValueError(f"{line}: YAML tag {node.tag} is not supported")
    if node.tag == "tag:yaml.org,2002:null":
        return None
    return node.value if node.tag != "tag:yaml.org,2002:bool" else _YamlBool(node.value)


class _YamlBool(str):
    """A word that YAML reads as a truth value, yes or off for instance."""


def _override_settings(overrides: Sequence[str]) -> list[Setting]:
    words = list(overrides)
    if len(words) % 2:
        raise ValueError(f"overrides come in KEY VALUE pairs; '{words[-1]}' at the end has no value")
    return [Setting("command line", key, value) for key, value in zip(words[::2], words[1::2], strict=True)]


# ---- keys of the ancestors


def _apply_all(cfg: CfgNode, settings: Sequence[Setting]) -> None:
    """Apply the settings in order; one warning tells of all keys that are ignored or called otherwise here."""
    notes = _missing_activation(settings)
    for setting in settings:
        current = _translate(setting, notes)
        if current is not None:
            _apply(cfg, current)
    if notes:
        warnings.warn("; ".join(notes), stacklevel=3)


def _translate(setting: Setting, notes: list[str]) -> Setting | None:
    """Return the setting in today's words, None for one that means nothing here; append what to tell the user."""
    where, key, value = setting
    if (key, str(value).lower()) in TRANSLATED:
        new_key, new_value = TRANSLATED[key, str(value).lower()]
        notes.append(f"{where}: {key} {value} is read as {new_key} {new_value}")
        return Setting(where, new_key, new_value)
    if key in RENAMED:
        notes.append(f"{where}: {key} is called {RENAMED[key]} here")
        return Setting(where, RENAMED[key], value)
    hint = next((text for name, text in IGNORED.items() if key == name or key.startswith(f"{name}.")), None)
    if hint is None:
        return setting
    notes.append(f"{where}: {key} means nothing here and is ignored ({hint})")
    return None


def _missing_activation(settings: Sequence[Setting]) -> list[str]:
    """Tell of an EfficientNet with relu: files of pytorch-cls and of older pycls, which know silu only, name none."""
    given = {setting.key: setting for setting in settings}
    kind = given.get("MODEL.TYPE")
    if kind is None or kind.value != "effnet" or "MODEL.ACTIVATION_FUN" in given:
        return []
    return [f"{kind.where}: an effnet without MODEL.ACTIVATION_FUN gets relu; EfficientNet's own is silu"]


# ---- applying one setting


def _apply(cfg: CfgNode, setting: Setting) -> None:
    where, key, value = setting
    found = _find(cfg, key, where, value)
    if found is not None:
        section, name = found
        section[name] = _convert(value, section[name], where, key)
    if key in IMPLIED:
        implied, its_value = IMPLIED[key]
        section, name = _find(cfg, implied, where, its_value)
        section[name] = its_value


def _find(cfg: CfgNode, key: str, where: str, value: Any) -> tuple[CfgNode, str] | None:
    """Return the section and the name of a key in it, None for an empty section; unknown keys raise ValueError."""
    *sections, name = key.split(".")
    node = cfg
    for section in sections:
        node = node.get(section) if isinstance(node, CfgNode) else None
    if not isinstance(node, CfgNode) or name not in node:
        raise ValueError(f"{where}: unknown key {key}{did_you_mean(key, [known for known, _ in flatten(cfg)])}")
    if isinstance(node[name], CfgNode):
        if value == {}:
            return None
        raise ValueError(f"{where}: {key} is a section, set one of its keys ({', '.join(node[name])})")
    return node, name


def _convert(value: Any, default: Any, where: str, key: str) -> Any:
    """Return `value` with the type of the key's default; null gives the default back."""
    if value is None or (isinstance(value, str) and value == "null"):
        return dict(flatten(default_cfg()))[key]
    may_be_auto = key in MAY_BE_AUTO
    if may_be_auto and value == "auto":
        return value
    kind = bool if may_be_auto else type(default)
    converted = {bool: _to_bool, int: _to_int, float: _to_float, str: _to_str, list: _to_list}[kind](value)
    if converted is None:
        expected = {bool: "True or False", int: "a whole number", float: "a number", str: "text", list: "a list"}
        hint = "True, False or auto" if may_be_auto else expected[kind]
        raise ValueError(f"{where}: {key} expects {hint}, got {value}")
    return converted


def _literal(value: Any) -> Any:
    """Read a string as a Python literal, as yacs does: PyYAML leaves `5e-5` a string."""
    if not isinstance(value, str):
        return value
    try:
        return ast.literal_eval(value)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return value


def _to_bool(value: Any) -> bool | None:
    words = {"true": True, "false": False}
    if isinstance(value, _YamlBool):
        words |= {"yes": True, "on": True, "no": False, "off": False}
    if isinstance(value, str):
        return words.get(value.lower())
    return value if isinstance(value, bool) else None


def _to_int(value: Any) -> int | None:
    value = _literal(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _to_float(value: Any) -> float | None:
    value = _literal(value)
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _to_str(value: Any) -> str | None:
    if isinstance(value, str):
        literal = _literal(value)
        return literal if isinstance(literal, str) else str(value)
    return None


def _to_list(value: Any) -> list | None:
    value = _literal(value)
    return _literals(value) if isinstance(value, (list, tuple)) else None


def _literals(items: Sequence[Any]) -> list:
    return [_literals(item) if isinstance(item, (list, tuple)) else _literal(item) for item in items]


# ---- checks of the finished tree


def check_cfg(cfg: CfgNode) -> None:
    """Raise ValueError for choices and combinations that could not run."""
    _check_choices(cfg)
    parse_augment(cfg.TRAIN.AUGMENT)
    check_interpolation(cfg.TRAIN.AUGMENT_INTERPOLATION, cfg.TRAIN.AUGMENT, cfg.TRAIN.AUGMENT_OPS)
    _check_numbers(cfg)
    _check_batches(cfg)
    _check_classes(cfg)
    steps = cfg.OPTIM.STEPS
    if not all(isinstance(step, (int, float)) for step in steps) or (
        steps and (steps[0] != 0 or steps != sorted(steps))
    ):
        raise ValueError(f"OPTIM.STEPS must begin with 0 and rise, got {steps}")
    if cfg.OPTIM.LR_POLICY == "exp" and cfg.OPTIM.MIN_LR <= 0:
        raise ValueError("OPTIM.LR_POLICY exp needs OPTIM.MIN_LR above 0 (the final fraction of BASE_LR)")
    for key, kind in (("RESNET.POOL", "resnet"), ("ANYNET.POOL", "anynet")):
        pool = cfg[kind.upper()].POOL
        if pool and cfg.MODEL.TYPE not in (kind, ""):
            raise ValueError(
                f"{key} {pool} does nothing for MODEL.TYPE {cfg.MODEL.TYPE}: it is a key of MODEL.TYPE {kind}"
            )
    for key, name in (("TRAIN.INTERPOLATION", cfg.TRAIN.INTERPOLATION), ("TEST.INTERPOLATION", cfg.TEST.INTERPOLATION)):
        if name != "bilinear" and not cfg.DATA_LOADER.ANTIALIAS:
            raise ValueError(f"{key} {name} needs DATA_LOADER.ANTIALIAS True: without it only bilinear is there")
    if cfg.TRAIN.COMPILE_MODE != "default" and not cfg.TRAIN.COMPILE:
        raise ValueError(f"TRAIN.COMPILE_MODE {cfg.TRAIN.COMPILE_MODE} does nothing without TRAIN.COMPILE True")
    if cfg.TRAIN.ACTIVATION_CHECKPOINT and cfg.TRAIN.COMPILE:
        hint = "a compiled network decides itself what to compute again"
        raise ValueError(f"TRAIN.ACTIVATION_CHECKPOINT True and TRAIN.COMPILE True: set one of them, {hint}")
    if cfg.OPTIM.LR_POLICY == "steps" and not steps:
        raise ValueError("OPTIM.LR_POLICY steps needs OPTIM.STEPS, for example [0, 30, 60, 90]")


def known_choices(key: str) -> tuple[str, ...]:
    """Return the names allowed for a key: those of the family's table once it is imported, else the built-in ones."""
    module, table = TABLES.get(key, ("", ""))
    names = tuple(getattr(sys.modules.get(module), table, ()))
    return tuple(dict.fromkeys((*CHOICES[key], *names)))


def _check_choices(cfg: CfgNode) -> None:
    leaves = dict(flatten(cfg))
    for key in CHOICES:
        value, choices = leaves[key], known_choices(key)
        may_be_empty = key in ("MODEL.TYPE", "TRAIN.DATASET", "TEST.DATASET") and value == ""
        if value not in choices and not may_be_empty:
            raise ValueError(
                f"{key}: unknown choice '{value}'{did_you_mean(value, choices)} (choices: {', '.join(choices)})"
            )


def _check_numbers(cfg: CfgNode) -> None:
    leaves = dict(flatten(cfg))
    for key in _AT_LEAST_ONE:
        if leaves[key] < 1:
            raise ValueError(f"{key} must be at least 1, got {leaves[key]}")
    for key in _NOT_NEGATIVE:
        if leaves[key] < 0:
            raise ValueError(f"{key} must not be negative, got {leaves[key]}")
    if cfg.DIST_TIMEOUT_MINUTES <= 0:
        raise ValueError(f"DIST_TIMEOUT_MINUTES must be above 0, got {cfg.DIST_TIMEOUT_MINUTES}")
    if cfg.RNG_SEED >= 2**63:
        raise ValueError(f"RNG_SEED must be below 2**63, got {cfg.RNG_SEED}")
    if not 0 < cfg.OPTIM.LAYER_DECAY <= 1:
        raise ValueError(f"OPTIM.LAYER_DECAY must be above 0 and at most 1 (off), got {cfg.OPTIM.LAYER_DECAY}")
    for key in ("TRAIN.CROP_AREA", "TRAIN.CROP_ASPECT"):
        pair = leaves[key]
        if len(pair) != 2 or not all(isinstance(v, (int, float)) for v in pair) or not 0 < pair[0] <= pair[1]:
            raise ValueError(f"{key} must be two rising positive numbers, got {pair}")
    for key in ("DATA_LOADER.MEAN", "DATA_LOADER.STD"):
        colour = leaves[key]
        if len(colour) not in (0, 3) or not all(isinstance(v, (int, float)) and 0 <= v <= 1 for v in colour):
            raise ValueError(f"{key} must be three numbers between 0 and 1 (or empty), got {colour}")
    if 0 in cfg.DATA_LOADER.STD:
        raise ValueError(f"DATA_LOADER.STD must be above 0, got {cfg.DATA_LOADER.STD}")
    jitter = leaves["TRAIN.COLOR_JITTER"]
    if len(jitter) != 4 or not all(isinstance(v, (int, float)) and v >= 0 for v in jitter) or jitter[3] > 0.5:
        raise ValueError(
            "TRAIN.COLOR_JITTER must be four numbers, brightness, contrast, saturation and hue, none negative and "
            f"hue at most 0.5, got {jitter}"
        )
    if jitter[3] and cfg.TRAIN.COLOR_JITTER_STYLE == "cutmix":
        raise ValueError(
            f"TRAIN.COLOR_JITTER_STYLE cutmix has no hue: the fourth of TRAIN.COLOR_JITTER must be 0, got {jitter}"
        )
    for key in _PROBABILITIES:
        if not 0 <= leaves[key] <= 1:
            raise ValueError(f"{key} must lie between 0 and 1, got {leaves[key]}")


_PROBABILITIES = (
    "OPTIM.ALPHA",
    "OPTIM.LOOKAHEAD_ALPHA",
    "TRAIN.HFLIP",
    "TRAIN.LABEL_SMOOTHING",
    "TRAIN.RANDOM_ERASE",
    "TRAIN.MIX_PROB",
    "TRAIN.MIX_SWITCH_PROB",
)


def _check_classes(cfg: CfgNode) -> None:
    weights, num_classes = cfg.TRAIN.CLASS_WEIGHTS, cfg.MODEL.NUM_CLASSES
    if weights and cfg.TRAIN.CLASS_BALANCE:
        raise ValueError(f"TRAIN.CLASS_WEIGHTS and TRAIN.CLASS_BALANCE {cfg.TRAIN.CLASS_BALANCE}: set one of them")
    if not all(isinstance(w, (int, float)) and w >= 0 for w in weights) or (weights and not any(weights)):
        raise ValueError(f"TRAIN.CLASS_WEIGHTS must be numbers, none negative and not all 0, got {weights}")
    if weights and len(weights) != num_classes:
        raise ValueError(
            f"TRAIN.CLASS_WEIGHTS has {len(weights)} weights for {num_classes} classes (MODEL.NUM_CLASSES)"
        )
    if cfg.TRAIN.REPEATS > 1 and cfg.TRAIN.CLASS_BALANCE == "sampler":
        raise ValueError(
            f"TRAIN.REPEATS {cfg.TRAIN.REPEATS} and TRAIN.CLASS_BALANCE sampler both say how often an image is shown: "
            "set one of them"
        )


_AT_LEAST_ONE = (
    "MODEL.NUM_CLASSES",
    "OPTIM.MAX_EPOCH",
    "OPTIM.ACCUM_STEPS",
    "TRAIN.BATCH_SIZE",
    "TRAIN.IM_SIZE",
    "TRAIN.REPEATS",
    "TEST.BATCH_SIZE",
    "TEST.IM_SIZE",
    "DATA_LOADER.PREFETCH",
    "NUM_GPUS",
    "LOG_PERIOD",
)
_NOT_NEGATIVE = (
    "MODEL.FOCAL_GAMMA",
    "MODEL.SMOOTH_L1_BETA",
    "OPTIM.BASE_LR",
    "OPTIM.MIN_LR",
    "OPTIM.WARMUP_EPOCHS",
    "OPTIM.EMA_UPDATE_PERIOD",
    "OPTIM.EMA_ALPHA",
    "OPTIM.WARMUP_FACTOR",
    "OPTIM.LR_MULT",
    "OPTIM.MOMENTUM",
    "OPTIM.WEIGHT_DECAY",
    "OPTIM.GRAD_CLIP",
    "OPTIM.LR_POWER",
    "OPTIM.START_LR",
    "OPTIM.EPSILON",
    "OPTIM.LOOKAHEAD_STEPS",
    "OPTIM.SAM_RHO",
    "OPTIM.BACKBONE_LR_RATIO",
    "TRAIN.KEEP",
    "TRAIN.CHECKPOINT_MINUTES",
    "TRAIN.CROP_PADDING",
    "TRAIN.PCA_STD",
    "TRAIN.MIXUP_ALPHA",
    "TRAIN.CUTMIX_ALPHA",
    "DATA_LOADER.NUM_WORKERS",
    "DATA_LOADER.TIMEOUT_SEC",
    "BN.NUM_SAMPLES_PRECISE",
    "RNG_SEED",
)


def _check_batches(cfg: CfgNode) -> None:
    check_divisible(
        "TRAIN.BATCH_SIZE", cfg.TRAIN.BATCH_SIZE, cfg.NUM_GPUS * cfg.OPTIM.ACCUM_STEPS, cfg.OPTIM.ACCUM_STEPS
    )
    check_divisible("TEST.BATCH_SIZE", cfg.TEST.BATCH_SIZE, cfg.NUM_GPUS, 1)


def check_divisible(key: str, batch_size: int, parts: int, accum_steps: int) -> None:
    """Raise ValueError unless the global batch divides evenly among processes (and accumulation steps)."""
    if batch_size % parts:
        split = f"{parts // accum_steps} processes" + (
            f" x {accum_steps} accumulation steps" if accum_steps > 1 else ""
        )
        near = max(parts, round(batch_size / parts) * parts)
        raise ValueError(f"{key} {batch_size} does not divide by {split}; the nearest that does is {near}")
