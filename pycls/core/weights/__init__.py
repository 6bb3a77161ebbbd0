"""Fill a network with the weights of a file, whoever wrote it, and report what was done."""

from pathlib import Path

from torch import Tensor, nn

from pycls.core.dtensor import shard_like
from pycls.core.logging import get_logger
from pycls.core.module_names import classifier_weight
from pycls.core.weights.arithmetic import bn_eps, differences
from pycls.core.weights.files import load_tensor_file
from pycls.core.weights.fit import WAY_OUT, check_fit
from pycls.core.weights.formats import Weights, unpack_weights
from pycls.core.weights.input_channels import adapt_stem
from pycls.core.weights.key_mapping import Naming, blocks_of
from pycls.core.weights.key_tables import NAMINGS
from pycls.core.weights.origin import is_library_network, stored_differences
from pycls.core.weights.report import LoadReport as LoadReport
from pycls.core.weights.sources import DEFAULT_CACHE, find_weights
from pycls.core.weights.usable import is_constant_of, modules_of, num_bytes, unreadable, wrong_numbers
from pycls.core.weights.variants import PLAIN, names_plain_network

logger = get_logger(__name__)

NO_CONFIG = "holds no config, so nothing tells whether its network computes the same (activation, epsilon, strides)"
_ENOUGH = 0.9  # of a network's tensors under a file's own names: others are not tried


def load_weights(
    model: nn.Module, path: str | Path, cache_dir: str | Path = DEFAULT_CACHE, partial: bool = False
) -> LoadReport:
    """Fill a model from a file, a URL or a name of pycls's zoo, and report what was done; see docs/WEIGHTS.md.

    Files of pycls, whose networks see BGR, become RGB. A classifier of another size, or under another name, keeps its
    fresh values; filters over RGB are adapted to as many channels as the network sees. ValueError when anything else is
    missing, left over or no number, or when the same tensors would mean another network; with `partial` what fits is
    taken, and the report says what does not. Of a network of `build_model` the config in the file is compared, too.
    """
    path = find_weights(path, cache_dir)
    state = load_tensor_file(path, lambda: num_bytes(model))
    weights = unpack_weights(state, str(path))
    other = "; ".join(stored_differences(model, state, str(path)))
    if other and not partial:
        raise ValueError(f"{path}: {other}; {WAY_OUT}")
    report = fill_model(model, weights, str(path), "part" if partial else "backbone")
    report.other_network = report.other_network or other
    if report.doubt:
        logger.warning("%s: %s", path, report.doubt)
    return report


def fill_model(model: nn.Module, weights: Weights, where: str, fit: str = "backbone") -> LoadReport:
    """Copy a file's weights into a model under whatever names fit it best; `where` names the file in errors.

    `fit`: how well they have to fit, one of fit.FITS. The model is left alone if they do not.
    """
    target = model.state_dict()
    naming, tensors = best_naming(target, weights.tensors)
    tensors, adapted = adapt_stem(target, tensors)
    report = _match(target, tensors, weights.layout if naming is None else f"{weights.layout}, names of {naming.name}")
    report.notes += weights.notes + adapted
    check_fit(report, target, tensors, fit, where)
    report.other_network, report.doubt = _other_arithmetic(model, naming, weights, tensors)
    if report.other_network and fit != "part":
        raise ValueError(f"{where}: {report.other_network}{f'; {WAY_OUT}' if fit == 'backbone' else ''}")
    filled = model.state_dict()  # with the version numbers that some networks (MnasNet) ask for
    filled.update((name, shard_like(tensors[name], target[name])) for name in report.matched)
    model.load_state_dict(filled)
    return report


def best_naming(target: dict[str, Tensor], tensors: dict[str, Tensor]) -> tuple[Naming | None, dict[str, Tensor]]:
    """Return the naming, and the tensors renamed by it, under which most fit the target; None: as they are."""
    best: tuple[Naming | None, dict[str, Tensor]] = (None, tensors)
    if _num_fitting(target, tensors) >= _ENOUGH * len(target):
        return best
    blocks = blocks_of(target) or blocks_of(tensors)
    for naming in NAMINGS.values():
        for translate in (naming.to_pycls, naming.from_pycls):
            names = translate(tensors, blocks)
            renamed = {names.get(key, key): value for key, value in tensors.items()}
            if _num_fitting(target, renamed) > _num_fitting(target, best[1]):
                best = naming, renamed
    return best


def _num_fitting(target: dict[str, Tensor], tensors: dict[str, Tensor]) -> int:
    return sum(key in tensors and tensors[key].shape == value.shape for key, value in target.items())


def _match(target: dict[str, Tensor], weights: dict[str, Tensor], layout: str) -> LoadReport:
    """Sort the tensors of network and file; constants, which files may leave out of a module, are in no list."""
    ours, theirs_too = modules_of(target), modules_of(weights)
    report = LoadReport(layout)
    report.unexpected = [key for key in weights if key not in target and not is_constant_of(key, ours)]
    classifier = classifier_weight(target)
    num_classes = target[classifier].shape[0] if classifier else 0
    for key, value in target.items():
        theirs, is_constant = weights.get(key), is_constant_of(key, theirs_too)
        if theirs is None or (is_constant and theirs.shape != value.shape):
            report.missing += [] if is_constant else [key]
        elif not is_constant and (why := _unusable(key, theirs, value)):
            report.missing.append(key)
            report.rejected[key] = why
        elif theirs.shape == value.shape:
            report.matched.append(key)
        elif _is_classifier(target, key, theirs, num_classes):
            report.reinitialized.append(key)
        else:
            report.missing.append(key)
            report.reshaped[key] = f"is {tuple(theirs.shape)} in the file, {tuple(value.shape)} in the network"
    return report


def _unusable(key: str, theirs: Tensor, ours: Tensor) -> str:
    return unreadable(theirs) or (wrong_numbers(key, theirs, ours) if theirs.shape == ours.shape else "")


def _is_classifier(target: dict[str, Tensor], key: str, theirs: Tensor, num_classes: int) -> bool:
    """Tell whether a tensor differs in the number of classes only: auxiliary classifiers count, batch norms do not."""
    matrix = target.get(key.rpartition(".")[0] + ".weight")
    has_classes = matrix is not None and matrix.dim() >= 2 and matrix.shape[0] == target[key].shape[0] == num_classes
    return has_classes and theirs.dim() == target[key].dim() and theirs.shape[1:] == target[key].shape[1:]


def _other_arithmetic(
    model: nn.Module, naming: Naming | None, weights: Weights, tensors: dict[str, Tensor]
) -> tuple[str, str]:
    """Return how the network computes something else than the file's, and what is not known of that; "" for neither."""
    epsilons = bn_eps(model)
    if weights.bn_eps is not None and epsilons and epsilons != {weights.bn_eps}:
        return f"was trained with batch norms of epsilon {weights.bn_eps}, the network has {min(epsilons)}", ""
    is_of_pycls = bool(blocks_of(tensors))
    if naming is None and not weights.has_cfg and not is_library_network(model):
        return _unsaid(differences(model, PLAIN), is_of_pycls, weights)
    if naming is None or not is_of_pycls:
        return "", ""
    variant = naming.variant(tensors, weights.named)
    if variant.arithmetic is None:
        return variant.doubt, ""
    other = differences(model, variant.arithmetic)
    if other and not variant.is_said:
        return variant.doubt, ""
    return _needs(f"a file of {naming.name}", other), variant.doubt


def _unsaid(other: dict[str, str], is_of_pycls: bool, weights: Weights) -> tuple[str, str]:
    """Return both for a file without a config whose names are the network's own; `other`: where that is not PLAIN."""
    if not is_of_pycls and (not other or names_plain_network(weights.named)):
        return _needs("its network", other), ""
    bgr = ", and whether it sees BGR, as taken here" if any("from BGR" in note for note in weights.notes) else ""
    return "", f"{NO_CONFIG}{bgr}"


def _needs(what: str, other: dict[str, str]) -> str:
    """Return {what is needed: what is there} in words, "" for nothing."""
    return f"{what} needs {' and '.join(other)}, the network has {' and '.join(other.values())}" if other else ""
