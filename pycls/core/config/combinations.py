"""Settings that exclude one another, or do not fit together: checked when a config is loaded, not an hour later."""

from yacs.config import CfgNode

from pycls.core.config.augment_spec import check_interpolation, parse_augment
from pycls.core.config.defaults import table_entry
from pycls.core.registry import shown


def check_combinations(cfg: CfgNode) -> None:
    """Raise ValueError, naming the keys, for the first combination of settings that could not run."""
    parse_augment(cfg.TRAIN.AUGMENT, table_entry("TRAIN.AUGMENT_OPS", cfg.TRAIN.AUGMENT_OPS) or ())
    check_interpolation(cfg.TRAIN.AUGMENT_INTERPOLATION, cfg.TRAIN.AUGMENT, cfg.TRAIN.AUGMENT_OPS)
    _check_batches(cfg)
    _check_classes(cfg)
    _check_schedule(cfg)
    _check_shares(cfg)
    _check_views(cfg)
    _check_channels(cfg)
    _check_step(cfg)


def check_divisible(key: str, batch_size: int, parts: int, accum_steps: int) -> None:
    """Raise ValueError unless the global batch divides evenly among processes (and accumulation steps)."""
    if batch_size % parts:
        accumulated = f" x OPTIM.ACCUM_STEPS {accum_steps}" if accum_steps > 1 else ""
        split = f"{parts // accum_steps} processes (NUM_GPUS){accumulated}"
        near = max(parts, round(batch_size / parts) * parts)
        raise ValueError(f"{key} {batch_size} does not divide by {split}; the nearest that does is {near}")


def _check_batches(cfg: CfgNode) -> None:
    check_divisible(
        "TRAIN.BATCH_SIZE", cfg.TRAIN.BATCH_SIZE, cfg.NUM_GPUS * cfg.OPTIM.ACCUM_STEPS, cfg.OPTIM.ACCUM_STEPS
    )
    check_divisible("TEST.BATCH_SIZE", cfg.TEST.BATCH_SIZE, cfg.NUM_GPUS, 1)
    if cfg.TRAIN.REPEATS > cfg.TRAIN.BATCH_SIZE > 0:
        raise ValueError(
            f"TRAIN.REPEATS {cfg.TRAIN.REPEATS} is more than a batch holds (TRAIN.BATCH_SIZE {cfg.TRAIN.BATCH_SIZE})"
        )
    if cfg.BN.USE_PRECISE_STATS and cfg.BN.NUM_SAMPLES_PRECISE == 0:
        raise ValueError("BN.NUM_SAMPLES_PRECISE must be at least 1, got 0; BN.USE_PRECISE_STATS False does without")


def _check_classes(cfg: CfgNode) -> None:
    weights, num_classes = cfg.TRAIN.CLASS_WEIGHTS, cfg.MODEL.NUM_CLASSES
    if weights and cfg.TRAIN.CLASS_BALANCE:
        raise ValueError(f"TRAIN.CLASS_WEIGHTS and TRAIN.CLASS_BALANCE {cfg.TRAIN.CLASS_BALANCE}: set one of them")
    if weights and not any(weights):
        raise ValueError(f"TRAIN.CLASS_WEIGHTS must not all be 0, got {shown(weights)}")
    if weights and num_classes and len(weights) != num_classes:
        raise ValueError(
            f"TRAIN.CLASS_WEIGHTS has {len(weights)} weights for {num_classes} classes (MODEL.NUM_CLASSES)"
        )
    if cfg.TRAIN.REPEATS > 1 and cfg.TRAIN.CLASS_BALANCE == "sampler":
        raise ValueError(
            f"TRAIN.REPEATS {cfg.TRAIN.REPEATS} and TRAIN.CLASS_BALANCE sampler both say how often an image is shown: "
            "set one of them"
        )


def _check_shares(cfg: CfgNode) -> None:
    if cfg.TEST.SPLIT.lower() == "none" and (cfg.DATA.FOLDS or cfg.DATA.VAL_FRACTION):
        held_out = "DATA.FOLDS" if cfg.DATA.FOLDS else "DATA.VAL_FRACTION"
        raise ValueError(f"TEST.SPLIT none evaluates on nothing, {held_out} holds images out for that: set it 0")
    if cfg.DATA.FOLD and cfg.DATA.FOLD >= cfg.DATA.FOLDS:
        what = f"must be below DATA.FOLDS {cfg.DATA.FOLDS}" if cfg.DATA.FOLDS else "needs DATA.FOLDS, for example 5"
        raise ValueError(f"DATA.FOLD {cfg.DATA.FOLD} {what}")


def _check_schedule(cfg: CfgNode) -> None:
    optim = cfg.OPTIM
    if optim.STEPS and (optim.STEPS[0] != 0 or sorted(optim.STEPS) != optim.STEPS):
        raise ValueError(f"OPTIM.STEPS must begin with 0 and rise, got {shown(optim.STEPS)}")
    if optim.LR_POLICY == "steps" and not optim.STEPS:
        raise ValueError("OPTIM.LR_POLICY steps needs OPTIM.STEPS, for example [0, 30, 60, 90]")
    if optim.LR_POLICY == "exp" and optim.MIN_LR == 0:
        raise ValueError("OPTIM.LR_POLICY exp needs OPTIM.MIN_LR above 0 (the final fraction of BASE_LR)")
    if optim.WARMUP_EPOCHS > optim.MAX_EPOCH:
        raise ValueError(
            f"OPTIM.WARMUP_EPOCHS {optim.WARMUP_EPOCHS} must be at most OPTIM.MAX_EPOCH, which is {optim.MAX_EPOCH}: "
            "train longer, or set OPTIM.WARMUP_EPOCHS 0"
        )


def _check_views(cfg: CfgNode) -> None:
    for name in ("CROP_AREA", "CROP_ASPECT"):
        least, largest = cfg.TRAIN[name]
        if least > largest:
            raise ValueError(f"TRAIN.{name} must rise (least, largest), got {cfg.TRAIN[name]}")
    jitter = cfg.TRAIN.COLOR_JITTER
    if jitter[3] > 0.5:
        raise ValueError(f"TRAIN.COLOR_JITTER: hue, its fourth number, must be at most 0.5, got {jitter}")
    if jitter[3] and cfg.TRAIN.COLOR_JITTER_STYLE == "cutmix":
        raise ValueError(
            f"TRAIN.COLOR_JITTER_STYLE cutmix has no hue: the fourth of TRAIN.COLOR_JITTER must be 0, got {jitter}"
        )
    for key, name in (("TRAIN.INTERPOLATION", cfg.TRAIN.INTERPOLATION), ("TEST.INTERPOLATION", cfg.TEST.INTERPOLATION)):
        if name != "bilinear" and not cfg.DATA_LOADER.ANTIALIAS:
            raise ValueError(f"{key} {name} needs DATA_LOADER.ANTIALIAS True: without it only bilinear is there")


def _check_channels(cfg: CfgNode) -> None:
    count, jitter = cfg.DATA_LOADER.CHANNELS, cfg.TRAIN.COLOR_JITTER
    for name in ("MEAN", "STD"):
        numbers = cfg.DATA_LOADER[name]
        if len(numbers) not in (0, count):
            expected = f"no or {count} numbers, one for each of DATA_LOADER.CHANNELS"
            raise ValueError(f"DATA_LOADER.{name} must be {expected}, got {shown(numbers)}")
        if not numbers and count not in (1, 3, 4):
            raise ValueError(f"DATA_LOADER.{name} must be {count} numbers with DATA_LOADER.CHANNELS {count}, got none")
    jittered = f"TRAIN.COLOR_JITTER {jitter}" if any(jitter) else ""
    augmented = f"TRAIN.AUGMENT {cfg.TRAIN.AUGMENT}" if cfg.TRAIN.AUGMENT else jittered
    if cfg.DATA_LOADER.DEPTH == "full" and augmented:
        raise ValueError(f"{augmented} is for 8 bits, not for DATA_LOADER.DEPTH full")
    if count == 1 and any(jitter[2:]):
        raise ValueError(f"{jittered}: no saturation or hue in one channel (DATA_LOADER.CHANNELS 1)")
    if count > 3 and augmented:
        raise ValueError(f"{augmented} is for RGB and gray, not for DATA_LOADER.CHANNELS {count}")


def _check_step(cfg: CfgNode) -> None:
    if cfg.TRAIN.ACTIVATION_CHECKPOINT and cfg.TRAIN.COMPILE:
        hint = "a compiled network decides itself what to compute again"
        raise ValueError(f"TRAIN.ACTIVATION_CHECKPOINT True and TRAIN.COMPILE True: set one of them, {hint}")
