"""The whole view of an image in force, in one line: "decode(...) | random_resized_crop(...) | flip_lr(...) | ...".

Stages stand in the order in which they are done; what is off is not there. What a key changes, the line says.
"""

from collections.abc import Iterable, Iterator

from yacs.config import CfgNode

from pycls.core.config.augment_spec import parse_augment
from pycls.core.config.im_size import ImSize, is_square, size_text
from pycls.datasets import backend_name, color_scale, dataset_view
from pycls.datasets.decoders import libjpeg_turbo
from pycls.datasets.info import find_dataset
from pycls.datasets.transforms.view import View


def describe_view(cfg: CfgNode, phase: str) -> str:
    """Return how images of a phase, "train" or "test", become what the network sees, mixing included."""
    view, im_size = dataset_view(cfg, phase), find_dataset(cfg, phase).im_size
    stages = [_source(cfg, view, im_size)]
    if phase == "train":
        cut = [_random_crop(cfg, view)] if view.crops_randomly else _middle(view)
        stages += [*(_array_crop(view) if im_size else cut), *_train_stages(cfg, view)]
    elif not im_size:
        stages += _middle(view)
    stages += ["gray(luma)"] if view.channels == 1 else []
    stages.append(_normalize(cfg, phase))
    if phase == "train":
        stages += [f"erase({_percent(view.erase_prob)})"] if view.erase_prob else []
        stages += [*_mixing(cfg)]
    elif cfg.TEST.HFLIP:
        stages.append("mean_of_logits(image, flip_lr)")
    return " | ".join(stages)


# ---- where pixels come from


def _source(cfg: CfgNode, view: View, im_size: int | None) -> str:
    backend = backend_name(cfg.DATA_LOADER.BACKEND, im_size is not None)
    if im_size is not None:
        return f"array({im_size} px, {backend})"
    said = [backend]
    if backend == "custom":
        said.append(f"jpeg by {_jpeg_decoder(cfg.DATA_LOADER.JPEG, view)}")
    names = {1: cfg.DATA_LOADER.CHANNEL_ORDER, 3: cfg.DATA_LOADER.CHANNEL_ORDER, 4: "RGB and alpha"}
    said.append(names.get(view.channels, f"{view.channels} channels"))
    said += ["all bits"] if view.full else []
    said += ["upright by EXIF"] if view.exif_rotate else []
    return f"decode({', '.join(said)})"


def _jpeg_decoder(choice: str, view: View) -> str:
    if libjpeg_turbo.fits(view) and libjpeg_turbo.use_extension(choice):
        return "C extension"
    return "OpenCV" if view.is_plain else "Pillow"


# ---- geometry


def _random_crop(cfg: CfgNode, view: View) -> str:
    size, schedule = _size(view.size), cfg.TRAIN.IM_SIZE_SCHEDULE
    if schedule:
        size = "px by epoch " + ", ".join(f"{epoch:g}: {px}" for epoch, px in schedule)
    law = f"area {_range(view.area)}, aspect {_range(view.aspect)}, {view.crop_style}'s law"
    return f"random_resized_crop({size}, {law}, {_filter(view)})"


def _array_crop(view: View) -> Iterator[str]:
    if view.padding and view.crops_randomly:
        color = "black" if view.border == (0, 0, 0) else f"RGB {_numbers(view.border)}"
        yield f"pad({view.padding} px, {color})"
        yield f"random_crop({_size(view.size)}, {view.crop_style}'s law)"


def _middle(view: View) -> list[str]:
    return [_resize(view), f"center_crop({_size(view.size)})"]


def _resize(view: View) -> str:
    name = "resize_short" if is_square(view.resize) else "resize_to_cover"
    return f"{name}({_size(view.resize)}, {_filter(view)})"


def _size(im_size: ImSize) -> str:
    return f"{size_text(im_size)} px"


def _filter(view: View) -> str:
    if not view.antialias:
        return "bilinear, not antialiased"  # whatever the filter is called
    return f"{'bilinear or bicubic' if view.interpolation == 'random' else view.interpolation}, antialiased"


# ---- augmentation, in training


def _train_stages(cfg: CfgNode, view: View) -> Iterator[str]:
    if view.flip_prob:
        yield f"flip_lr({_percent(view.flip_prob)})"
    if cfg.TRAIN.REPEATS > 1:
        yield f"repeat({cfg.TRAIN.REPEATS} views an image)"
    if cfg.TRAIN.AUGMENT:
        yield _augment(cfg)
    if any(cfg.TRAIN.COLOR_JITTER):
        yield _color_jitter(cfg)
    if cfg.TRAIN.PCA_STD and find_dataset(cfg, "train").lighting and view.channels == 3:
        yield f"lighting({cfg.TRAIN.PCA_STD:g})"


def _augment(cfg: CfgNode) -> str:
    """Return the policy with its numbers, on whose scale, and what decides about it beside TRAIN.AUGMENT."""
    from pycls.datasets.transforms.augment import OP_SETS  # with torchvision, which takes a second

    ops = cfg.TRAIN.AUGMENT_OPS
    said = [f"{ops}'s"]
    name = parse_augment(cfg.TRAIN.AUGMENT, OP_SETS[ops])
    if name and name.policy == "AutoAugment" and ops == "torchvision":
        said.append(f"{find_dataset(cfg, 'train').auto_augment} policy")
    if ops == "torchvision":
        default = "bilinear" if name and name.policy == "AugMix" else "nearest"
        said.append(f"warps {cfg.TRAIN.AUGMENT_INTERPOLATION or default}")
    return f"{cfg.TRAIN.AUGMENT}({', '.join(said)})"


def _color_jitter(cfg: CfgNode) -> str:
    names = ("brightness", "contrast", "saturation", "hue")
    parts = [f"{name} {part:g}" for name, part in zip(names, cfg.TRAIN.COLOR_JITTER, strict=True) if part]
    return f"color_jitter({', '.join(parts)}, {cfg.TRAIN.COLOR_JITTER_STYLE}'s law)"


def _mixing(cfg: CfgNode) -> Iterator[str]:
    train = cfg.TRAIN
    parts = {"mixup": train.MIXUP_ALPHA, "cutmix": train.CUTMIX_ALPHA}
    names = [f"{name} alpha {alpha:g}" for name, alpha in parts.items() if alpha]
    if not names:
        return
    both = f", cutmix {_percent(train.MIX_SWITCH_PROB)} of them" if len(names) > 1 else ""
    drawn = "image" if train.MIX_MODE == "elem" else "batch"
    yield f"mix({' or '.join(names)}, {_percent(train.MIX_PROB)}{both}, drawn for each {drawn})"


# ---- numbers


def _normalize(cfg: CfgNode, phase: str) -> str:
    mean, std = color_scale(cfg, phase)
    return f"normalize(mean {_numbers(mean)}, std {_numbers(std)})"


def _numbers(values: Iterable[float]) -> str:
    return " ".join(f"{value:.5g}" for value in values)


def _range(limits: tuple[float, float]) -> str:
    return "-".join(f"{limit:.4g}" for limit in limits)


def _percent(share: float) -> str:
    return f"{100 * share:g} %"
