"""Write weights for others to read: safetensors, torchvision's and pycls's layouts; or as a checkpoint of ours."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml
from torch import Tensor
from yacs.config import CfgNode

from pycls.core.checkpoint import save_checkpoint, save_safetensors
from pycls.core.config import WITHOUT_PLUGINS, decides, declaration, diff_cfg, dump_cfg, load_cfg
from pycls.core.config.im_size import is_square
from pycls.core.paths import check_outputs
from pycls.core.registry import pick
from pycls.core.weights import NO_CONFIG
from pycls.core.weights.arithmetic import Arithmetic
from pycls.core.weights.files import load_tensor_file, safetensors_metadata
from pycls.core.weights.formats import Weights, flip_stem, is_bgr, unpack_weights
from pycls.core.weights.key_mapping import Naming, blocks_of
from pycls.core.weights.key_tables import NAMINGS
from pycls.core.weights.variants import torchvision_effnet_eps
from pycls.engine.identity import cfg_text, check_own_config, is_of_pycls, saved_cfg
from pycls.engine.setup import pixel_contract
from pycls.inference.saved_network import chosen_file, load_network

_PYCLS_SECTIONS = {"anynet": "ANYNET", "effnet": "EN", "regnet": "REGNET", "resnet": "RESNET", "vit": "VIT"}
_EVERY_NETWORKS = ("MODEL", "BN", "LN")  # sections; those of a classifier count with MODEL.HEAD
_SCALE = ("DATA_LOADER.MEAN", "DATA_LOADER.STD")  # what a network of pycls is shown is not to be chosen


def convert_weights(src: str, dst: Path, to: str, cfg_file: str | None = None, overrides: Sequence[str] = ()) -> str:
    """Write the weights of a path, URL or zoo name in another layout; return what was done in one line.

    The better of model and EMA is taken, as everywhere. `ours` needs a config, in the file or given. ValueError for a
    layout that has no names for the network, and for a file that would be overwritten by itself.
    """
    check_outputs([dst], makes_folders=True)
    path = chosen_file(src, overrides)
    if dst.exists() and dst.samefile(path):
        raise ValueError(f"{dst}: is the file to read from; give another name")
    return pick(WRITERS, to, "--to")(path, dst, cfg_file, overrides)


def _read(path: Path) -> tuple[dict[str, Any], Weights]:
    saved = load_tensor_file(path)
    return saved, unpack_weights(saved, str(path))


def _write_ours(path: Path, dst: Path, cfg_file: str | None, overrides: Sequence[str]) -> str:
    state, done = _our_state(path, cfg_file, overrides)
    save_checkpoint(state, dst)
    return done


def _our_state(path: Path, cfg_file: str | None, overrides: Sequence[str]) -> tuple[dict[str, Any], str]:
    """Return a state that predict, export and TEST.WEIGHTS read, but no training continues; and what was done."""
    network = load_network(str(path), cfg_file, overrides)
    state = {"model_state": network.model.state_dict(), "cfg": dump_cfg(network.cfg)}
    state["pixels"] = pixel_contract(network.cfg)
    if network.classes is not None:
        state["classes"] = list(network.classes)
    return state, str(network.report)


def _write_safetensors(path: Path, dst: Path, cfg_file: str | None, overrides: Sequence[str]) -> str:
    """Write config, class names and pixel contract as metadata where they are known, else the tensors alone."""
    if dst.suffix != ".safetensors":
        raise ValueError(f"{dst}: safetensors files are told by their name; call it {dst.stem}.safetensors")
    saved, weights = _read(path)
    if not cfg_file and not saved.get("cfg"):
        save_safetensors(weights.tensors, {"arch": weights.named[0]}, dst)  # which may tell networks apart
        return f"{weights.layout}: {len(weights.tensors)} tensors, no config"
    state, done = _our_state(path, cfg_file, overrides)
    save_safetensors(state.pop("model_state"), safetensors_metadata(state), dst)
    return done


def _write_torchvision(path: Path, dst: Path, cfg_file: str | None, overrides: Sequence[str]) -> str:
    saved, weights = _read(path)
    tensors = pycls_names(weights.tensors, "model_state" in saved, str(path))
    naming = NAMINGS[torchvision_family(tensors, str(path))]
    names = naming.from_pycls(tensors, blocks_of(tensors))
    _check_all(tensors, names, f"{path}: {naming.name}")
    theirs, ours = naming.variant(tensors, ()).arithmetic, _arithmetic(weights, tensors, str(path))
    if ours not in (None, theirs):
        raise ValueError(f"{path}: torchvision has no such network: it computes with {ours}, torchvision's {theirs}")
    _check_fits_cfg(path, cfg_file, overrides)
    cfg = _cfg_of(saved, path, cfg_file, overrides)
    if cfg is not None:
        _check_torchvision_can(cfg, naming, path)
    save_checkpoint({names[key]: value for key, value in tensors.items()}, dst)
    doubt = f"; {NO_CONFIG}" if ours is None and cfg is None else ""
    return f"{weights.layout}: {len(names)} tensors, names of {naming.name}{doubt}"


def _arithmetic(weights: Weights, tensors: dict[str, Tensor], where: str) -> Arithmetic | None:
    """Return what the network of a foreign file computes beyond its tensors, None for a file in pycls's names.

    `tensors`: those of the file in pycls's names. ValueError where the file leaves open of which network it is.
    """
    naming = foreign_naming(weights.tensors)
    if naming is None:
        return None
    variant = naming.variant(tensors, weights.named)
    if variant.arithmetic is None or not variant.is_said:
        raise ValueError(f"{where}: {variant.doubt}")
    return variant.arithmetic


def _check_fits_cfg(path: Path, cfg_file: str | None, overrides: Sequence[str]) -> None:
    """Raise ValueError unless a file is of the network of the config given: its keys are written or checked."""
    if cfg_file:
        load_network(str(path), cfg_file, overrides)


def _cfg_of(saved: dict[str, Any], path: Path, cfg_file: str | None, overrides: Sequence[str]) -> CfgNode | None:
    """Return the config given, else that in the file, with the overrides; None where there is none."""
    if cfg_file:
        cfg = load_cfg(cfg_file, overrides)
    elif saved.get("cfg"):
        cfg = saved_cfg(saved, str(path), (*WITHOUT_PLUGINS, *overrides))
    else:
        return None
    check_own_config(saved, cfg, str(path))
    return cfg


def _check_torchvision_can(cfg: CfgNode, naming: Naming, path: Path) -> None:
    """Raise ValueError where torchvision's network would compute something else with the same tensors."""
    strides_1x1 = (
        cfg.MODEL.TYPE == "resnet" and cfg.RESNET.TRANS_FUN == "bottleneck_transform" and cfg.RESNET.STRIDE_1X1
    )
    theirs = naming.variant({}, ()).arithmetic
    assert theirs is not None
    eps = torchvision_effnet_eps(cfg.EN.HEAD_W) if cfg.MODEL.TYPE == "effnet" else theirs.bn_eps
    other = {
        "RESNET.STRIDE_1X1": strides_1x1,
        "REGNET.STRIDE": cfg.MODEL.TYPE == "regnet" and cfg.REGNET.STRIDE != 2,
        "MODEL.ACTIVATION_FUN": theirs.activation != cfg.MODEL.ACTIVATION_FUN,
        "BN.EPS": eps != cfg.BN.EPS,
    }
    other |= {key: True for key in _keys_of_ours(cfg) if key != "MODEL.NAME"}  # torchvision's own are among those
    for key in (key for key, differs in other.items() if differs):
        section, name = key.split(".")
        raise ValueError(f"{path}: torchvision has no such network: {key} is {cfg[section][name]}")


def _network_changes(cfg: CfgNode) -> dict[str, Any]:
    """Return the keys of a config's network and its family that differ from the defaults."""
    family, changes = _PYCLS_SECTIONS.get(cfg.MODEL.TYPE), diff_cfg(cfg)
    sections = {key: key.partition(".")[0] for key in changes}
    return {
        key: value
        for key, value in changes.items()
        if sections[key] == family or (sections[key] in _EVERY_NETWORKS and decides(key) == "network")
    }


def _keys_of_ours(cfg: CfgNode) -> list[str]:
    """Return those among them that neither pycls nor torchvision has: with the same tensors it is another network."""
    return [key for key in _network_changes(cfg) if declaration(key).ours and decides(key) == "network"]


def torchvision_family(tensors: dict[str, Tensor], where: str) -> str:
    """Return the key in NAMINGS of torchvision's twin of a network with pycls's names; none raises ValueError."""
    stem = tensors.get("stem.conv.weight")
    if any(".se." in key for key in tensors) and any(".dwise." in key for key in tensors):
        return "effnet"
    if stem is not None and stem.shape[-1] == 7:
        return "resnet"
    if stem is not None and any(key.startswith("s4.") and ".f.c." in key for key in tensors):
        return "regnet"
    raise ValueError(f"{where}: torchvision has no such network (a ResNet for ImageNet, a RegNet, an EfficientNet)")


def _write_pycls(path: Path, dst: Path, cfg_file: str | None, overrides: Sequence[str]) -> str:
    """Write what pycls's load_checkpoint reads; the stem becomes BGR, as its ImageNet loader gives it."""
    saved, weights = _read(path)
    tensors = pycls_names(weights.tensors, "model_state" in saved, str(path))
    arithmetic = _arithmetic(weights, tensors, str(path))
    if arithmetic is not None and arithmetic.tf_padding:
        raise ValueError(f"{path}: pycls has nothing like EN.TF_PADDING True, with which this file's network computes")
    _check_fits_cfg(path, cfg_file, overrides)
    text = _pycls_cfg(saved, path, cfg_file, overrides, arithmetic)
    note = f"; {flip_stem(tensors, str(path))} converted from RGB to BGR" if is_bgr(text) else ""
    errors = {name: saved[name] for name in ("test_err", "ema_err") if isinstance(saved.get(name), (int, float))}
    save_checkpoint({"epoch": saved.get("epoch", 0), "model_state": tensors, "cfg": text, **errors}, dst)
    return f"{weights.layout}: {len(tensors)} tensors{note}"


def _pycls_cfg(
    saved: dict[str, Any],
    path: Path,
    cfg_file: str | None,
    overrides: Sequence[str],
    arithmetic: Arithmetic | None,
) -> str:
    """Return the text of a config that pycls understands: its own, or the network's keys and the data set."""
    if not cfg_file and not overrides and is_of_pycls(saved, str(path)):
        return cfg_text(saved, str(path))
    tree: dict[str, Any] = {"TRAIN": {"DATASET": "imagenet"}, "DATA_LOADER": {"MODE": "pytorch"}}
    if arithmetic is not None:
        tree |= {"MODEL": {"ACTIVATION_FUN": arithmetic.activation}, "BN": {"EPS": arithmetic.bn_eps}}
    if cfg := _cfg_of(saved, path, cfg_file, overrides):
        _check_pycls_can(cfg, path)
        tree["TRAIN"] = {"DATASET": cfg.TRAIN.DATASET, "IM_SIZE": cfg.TRAIN.IM_SIZE}
        tree["MODEL"] = {"ACTIVATION_FUN": cfg.MODEL.ACTIVATION_FUN}  # if not written, pycls means silu in some
        for key, value in _network_changes(cfg).items():
            section, _, name = key.partition(".")
            tree.setdefault(section, {})[name] = value
    return yaml.safe_dump(tree)


def _check_pycls_can(cfg: CfgNode, path: Path) -> None:
    """Raise ValueError for what pycls has no keys for: its logits would not be those of the network."""
    what = [f"MODEL.TYPE {cfg.MODEL.TYPE}"] if cfg.MODEL.TYPE not in _PYCLS_SECTIONS else []
    what += ["MODEL.ACTIVATION_FUN relu6"] if cfg.MODEL.ACTIVATION_FUN == "relu6" else []
    what += [] if is_square(cfg.TRAIN.IM_SIZE) else [f"TRAIN.IM_SIZE {cfg.TRAIN.IM_SIZE}"]
    what += [f"{key} {value}" for key, value in diff_cfg(cfg).items() if key in (*_keys_of_ours(cfg), *_SCALE)]
    if what:
        raise ValueError(f"{path}: pycls has nothing like {what[0]}, so its logits would differ; write another layout")


def pycls_names(tensors: dict[str, Tensor], is_ours: bool, where: str) -> dict[str, Tensor]:
    """Return tensors under pycls's names, in a new dictionary; ValueError where a name has no counterpart.

    `is_ours`: the file is pycls's or ours, so that names which nobody else has are known to be right.
    """
    if naming := foreign_naming(tensors):
        names = naming.to_pycls(tensors, ())
        return {names[key]: value for key, value in tensors.items()}
    if is_ours or (blocks_of(tensors) and "stem.conv.weight" in tensors):
        return dict(tensors)
    raise ValueError(f"{where}: its tensors have no names in pycls ({', '.join(list(tensors)[:3])}, ...)")


def foreign_naming(tensors: dict[str, Tensor]) -> Naming | None:
    """Return the naming that knows all of a file's tensors, None for pycls's names and unknown ones."""
    return next((naming for naming in NAMINGS.values() if len(naming.to_pycls(tensors, ())) == len(tensors)), None)


def _check_all(tensors: dict[str, Tensor], names: dict[str, str], where: str) -> None:
    unknown = [key for key in tensors if key not in names]
    if unknown:
        raise ValueError(f"{where} has no names for {len(unknown)} tensors ({', '.join(unknown[:3])}, ...)")


WRITERS: dict[str, Callable[[Path, Path, str | None, Sequence[str]], str]] = {
    "ours": _write_ours,
    "pycls": _write_pycls,
    "safetensors": _write_safetensors,
    "torchvision": _write_torchvision,
}
