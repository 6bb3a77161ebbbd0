"""Fill a network with the weights of a file, whoever wrote it, and report what was done."""

from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor, nn

from pycls.core.dtensor import shard_like
from pycls.core.module_names import classifier_weight
from pycls.core.registry import listed
from pycls.core.weights.files import load_tensor_file
from pycls.core.weights.formats import Weights, unpack_weights
from pycls.core.weights.input_channels import adapt_stem
from pycls.core.weights.key_mapping import Naming, blocks_of
from pycls.core.weights.key_tables import NAMINGS
from pycls.core.weights.sources import DEFAULT_CACHE, find_weights

MIN_SHARE = 0.9  # of the backbone's tensors that must be in the file


@dataclass
class LoadReport:
    """What `load_weights` did: names of tensors, and the layout of the file."""

    layout: str
    matched: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)  # in the model, not in the file
    unexpected: list[str] = field(default_factory=list)  # in the file, not in the model
    reinitialized: list[str] = field(default_factory=list)  # a classifier of another size keeps its fresh values
    notes: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        counts = f"{len(self.matched)} tensors matched, {len(self.missing)} missing, {len(self.unexpected)} unexpected"
        names = f"; re-initialized: {', '.join(self.reinitialized)}" if self.reinitialized else ""
        fresh = f"; missing: {listed(self.missing, 3)}" if self.missing else ""
        return f"{self.layout}: {counts}{fresh}{names}" + "".join(f"; {note}" for note in self.notes)


def load_weights(model: nn.Module, path: str | Path, cache_dir: str | Path = DEFAULT_CACHE) -> LoadReport:
    """Fill a model from a file, a URL or a name of pycls's zoo, and report what was done; see docs/WEIGHTS.md.

    Files of pycls, whose networks see BGR, become RGB. A classifier of another size keeps its fresh values; filters
    over RGB are adapted to as many channels as the network sees. ValueError when less than 90 % of the other
    tensors match, or when the same tensors would mean another network.
    """
    path = find_weights(path, cache_dir)
    state = load_tensor_file(path, lambda: sum(t.numel() * t.element_size() for t in model.state_dict().values()))
    weights = unpack_weights(state, str(path))
    return fill_model(model, weights, str(path))


def fill_model(model: nn.Module, weights: Weights, where: str) -> LoadReport:
    """Copy a file's weights into a model under whatever names fit it best; `where` names the file in errors."""
    target = model.state_dict()
    naming, tensors = best_naming(target, weights.tensors)
    tensors, adapted = adapt_stem(target, tensors)
    report = _match(target, tensors, weights.layout if naming is None else f"{weights.layout}, names of {naming.name}")
    report.notes += weights.notes + adapted
    _check_enough(report, classifier_weight(target), where)
    if naming is not None:
        _check_arithmetic(model, naming, where)
    filled = model.state_dict()  # with the version numbers that some networks (MnasNet) ask for
    filled.update((name, shard_like(tensors[name], target[name])) for name in report.matched)
    model.load_state_dict(filled)
    return report


def best_naming(target: dict[str, Tensor], tensors: dict[str, Tensor]) -> tuple[Naming | None, dict[str, Tensor]]:
    """Return the naming, and the tensors renamed by it, under which most fit the target; None: as they are."""
    best: tuple[Naming | None, dict[str, Tensor]] = (None, tensors)
    if _num_fitting(target, tensors) >= MIN_SHARE * len(target):
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
    report = LoadReport(layout, unexpected=[key for key in weights if key not in target])
    classifier = classifier_weight(target)
    num_classes = target[classifier].shape[0] if classifier else 0
    for key, value in target.items():
        if key not in weights:
            report.missing.append(key)
        elif weights[key].shape == value.shape:
            report.matched.append(key)
        elif _is_classifier(target, key, weights[key], num_classes):
            report.reinitialized.append(key)
        else:
            report.missing.append(key)
            report.notes.append(
                f"{key} is {tuple(weights[key].shape)} in the file, {tuple(value.shape)} in the network"
            )
    return report


def _is_classifier(target: dict[str, Tensor], key: str, theirs: Tensor, num_classes: int) -> bool:
    """Tell whether a tensor differs in the number of classes only: auxiliary classifiers count, batch norms do not."""
    matrix = target.get(key.rpartition(".")[0] + ".weight")
    has_classes = matrix is not None and matrix.dim() >= 2 and matrix.shape[0] == target[key].shape[0] == num_classes
    return has_classes and theirs.dim() == target[key].dim() and theirs.shape[1:] == target[key].shape[1:]


def _check_enough(report: LoadReport, classifier: str, where: str) -> None:
    """Raise ValueError unless MIN_SHARE of what is in front of the classifier was found."""
    head = classifier.removesuffix("weight")
    matched, missing = _backbone(report.matched, head), _backbone(report.missing, head)
    share = len(matched) / (len(matched) + len(missing)) if matched or missing else 1.0
    if share < MIN_SHARE:
        names = ", ".join(missing[:3])
        found = f"only {share:.0%} of the network's tensors are in the file (missing: {names}, ...)"
        raise ValueError(f"{where}: {found}; is it of another network?")


def _backbone(names: list[str], head: str) -> list[str]:
    return [name for name in names if not name.endswith("num_batches_tracked") and not (head and name.startswith(head))]


def _check_arithmetic(model: nn.Module, naming: Naming, where: str) -> None:
    """Raise ValueError where the tensors fit but the network would compute something else with them."""
    source = f"{where}: a file of {naming.name}"
    eps = next((module.eps for module in model.modules() if isinstance(module, nn.BatchNorm2d)), None)
    if None not in (eps, naming.bn_eps) and eps != naming.bn_eps:
        raise ValueError(f"{source} needs BN.EPS {naming.bn_eps}, the network has {eps}")
    strided = [(name, m) for name, m in model.named_modules() if isinstance(m, nn.Conv2d) and m.stride[0] > 1]
    if naming.stride_1x1 is False and any(name.endswith(".f.a") and m.kernel_size == (1, 1) for name, m in strided):
        raise ValueError(f"{source} strides in the 3x3 convolutions: it needs RESNET.STRIDE_1X1 False")
    if naming.tf_padding and not all(getattr(m, "tf_padding", False) for _, m in strided if m.kernel_size != (1, 1)):
        raise ValueError(f"{source} pads as TensorFlow: it needs EN.TF_PADDING True")
