"""Write a network for other programs, ONNX or torch.export, with what they must know of its pixels and classes."""

import importlib.util
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pycls.core.atomic_io import naming
from pycls.core.config.im_size import ImSize, sides
from pycls.core.paths import check_outputs
from pycls.core.registry import pick, printable
from pycls.datasets import build_loader, color_scale
from pycls.inference.predict import eval_cfg, file_samples, list_images
from pycls.inference.saved_network import SavedNetwork

# Greatest difference to the network itself that is accepted, as a part of its largest logit.
TOLERANCE = 1e-4
_INPUT, _OUTPUT = "images", "logits"
ONNX_PACKAGES = ("onnx", "onnxscript", "onnxruntime")


@dataclass(frozen=True)
class Exported:
    """What was written, and how far its logits are from the network's."""

    path: Path
    num_images: int  # compared, besides a batch of noise
    difference: float  # greatest, as a part of the largest logit


def export(network: SavedNetwork, path: Path, kind: str, images: Sequence[str] = ()) -> Exported:
    """Write a network in float32, for batches of any size, and compare it with itself on noise and on `images`.

    ValueError if a package for the format is missing. RuntimeError, and no file, if the logits differ by more than
    TOLERANCE.
    """
    check_outputs([path], [network.path, *images], makes_folders=True)
    write, open_file = pick(FORMATS, kind, "--format")
    missing = [name for name in ONNX_PACKAGES if kind == "onnx" and importlib.util.find_spec(name) is None]
    if missing:
        raise ValueError(f"--format onnx needs {' and '.join(missing)}: pip install {' '.join(ONNX_PACKAGES)}")
    model, cfg = network.model.cpu().float().eval(), network.cfg
    shape = cfg.DATA_LOADER.CHANNELS, *sides(cfg.TRAIN.IM_SIZE)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        with naming(path):
            write(model, torch.zeros(2, *shape), part, metadata(network))
        noise = torch.randn(3, *shape, generator=torch.Generator().manual_seed(0))
        batches = [noise, noise[:1], *_image_batches(network, images)]
        difference = _difference(model, open_file(part), batches)
        if difference > TOLERANCE:
            raise RuntimeError(f"{path}: the exported network differs by {difference:.1e} of its largest logit")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return Exported(path, sum(map(len, batches[2:])), difference)


def metadata(network: SavedNetwork) -> dict[str, str]:
    """Return what a user of the file must know, as text: JSON for pixels and classes, YAML for the config."""
    cfg = network.cfg
    seen = eval_cfg(network, 1)
    mean, std = color_scale(seen, "test")
    channels, unit = cfg.DATA_LOADER.CHANNELS, "value 0..1" if cfg.DATA_LOADER.DEPTH == "full" else "pixel / 255"
    height, width = sides(cfg.TRAIN.IM_SIZE)
    pixels = {
        "input": f"{_INPUT}: float32 (N, {channels}, {height}, {width}), ({unit} - mean) / std",
        "output": f"{_OUTPUT}: float32 (N, {cfg.MODEL.NUM_CLASSES}), before the softmax",
        "channels": "gray" if channels == 1 else cfg.DATA_LOADER.CHANNEL_ORDER,
        "num_channels": channels,
        "depth": cfg.DATA_LOADER.DEPTH,
        **_resize_rule(seen.TEST.IM_SIZE),
        "center_crop": cfg.TRAIN.IM_SIZE,
        "interpolation": cfg.TEST.INTERPOLATION,
        "antialias": cfg.DATA_LOADER.ANTIALIAS,
        "exif_rotate": cfg.DATA_LOADER.EXIF_ROTATE,
        "mean": list(mean),
        "std": list(std),
    }
    names = json.dumps(list(network.names()))  # escaped: names of folders may be no Unicode, which no file format takes
    return {"pixels": json.dumps(pixels), "classes": names, "weights": printable(network.path.name), "cfg": cfg.dump()}


def _resize_rule(im_size: ImSize) -> dict[str, Any]:
    """Return what to resize an image to: its shorter side, or what it has to cover."""
    return {"resize_shorter_side": im_size} if isinstance(im_size, int) else {"resize_to_cover": list(im_size)}


def _image_batches(network: SavedNetwork, images: Sequence[str]) -> list[Tensor]:
    """Return files and folders of images as the network sees them, at most eight at once."""
    if not images:
        return []
    files = list_images(images)
    cfg = eval_cfg(network, min(8, len(files)))
    loader = build_loader(cfg, "test", torch.device("cpu"), file_samples(files))
    try:
        return [batch.images.clone() for batch in loader.epoch(0) if len(batch.images)]
    finally:
        loader.close()


@torch.inference_mode()
def _difference(model: nn.Module, exported: Callable[[Tensor], Tensor], batches: Sequence[Tensor]) -> float:
    differences = []
    for batch in batches:
        wanted = model(batch)
        differences.append(((exported(batch) - wanted).abs().max() / wanted.abs().max().clamp(min=1e-6)).item())
    return max(differences)


def _write_torch(model: nn.Module, example: Tensor, path: Path, texts: dict[str, str]) -> None:
    program = torch.export.export(model, (example,), dynamic_shapes=({0: torch.export.Dim("batch", min=1)},))
    content = io.BytesIO()  # torch's own writer of files ends the process where a disk is full
    torch.export.save(program, content, extra_files={f"{name}.txt": text for name, text in texts.items()})
    path.write_bytes(content.getbuffer())


def _open_torch(path: Path) -> Callable[[Tensor], Tensor]:
    return torch.export.load(path).module()


def _write_onnx(model: nn.Module, example: Tensor, path: Path, texts: dict[str, str]) -> None:
    import onnx

    program = torch.onnx.export(
        model,
        (example,),
        input_names=[_INPUT],
        output_names=[_OUTPUT],
        dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
        dynamo=True,
        verbose=False,
    )
    assert program is not None  # dynamo=True gives one
    proto = program.model_proto
    onnx.helper.set_model_props(proto, texts)
    onnx.save(proto, path)


def _open_onnx(path: Path) -> Callable[[Tensor], Tensor]:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda batch: torch.from_numpy(session.run(None, {_INPUT: batch.numpy()})[0])


# Name -> how to write it and how to read it back.
FORMATS = {"onnx": (_write_onnx, _open_onnx), "torch": (_write_torch, _open_torch)}
