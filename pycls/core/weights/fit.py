"""How well a file has to fit a network: wholly to be evaluated, its backbone to start from, in part if one says so."""

from collections.abc import Mapping

from torch import Tensor

from pycls.core.module_names import classifier_weight, in_classifier
from pycls.core.weights.report import LoadReport, by_module, misfits, reasons

# exact: every tensor; backbone: all but the classifier; part: whatever fits.
FITS = ("exact", "backbone", "part")

_MIN_SHARE = 0.9  # of the backbone's tensors: with less the file is probably of another network
WAY_OUT = "TRAIN.WEIGHTS_PARTIAL True (in Python: partial=True) starts from what fits"


def check_fit(
    report: LoadReport, target: Mapping[str, Tensor], tensors: Mapping[str, Tensor], fit: str, where: str
) -> None:
    """Raise ValueError that says what is missing, left over or no number, unless the file fits as well as it has to.

    `target` and `tensors` are those of the network and of the file, under the network's names.
    """
    assert fit in FITS
    classifier = classifier_weight(target)
    if fit == "part":
        return _check_something_fits(report, target, classifier, where)
    _check_share(report, classifier, fit, where)
    absent, unexpected, resized, reshaped = report.absent, report.unexpected, report.reinitialized, report.reshaped
    words = misfits(absent, unexpected, resized, report.rejected | reshaped)
    if fit == "exact" and words:
        raise ValueError(f"{where}: not the weights of this network: {words}")
    heads = [classifier, _their_classifier(report, target, tensors, classifier)]
    absent, unexpected, odd = (
        [name for name in names if not any(in_classifier(name, head) for head in heads)]
        for names in (absent, unexpected, reshaped)
    )
    words = misfits(absent, unexpected, [], report.rejected | {name: reshaped[name] for name in odd})
    if words:
        raise ValueError(f"{where}: fits the network only in part: {words}; {WAY_OUT}")


def _check_something_fits(report: LoadReport, target: Mapping[str, Tensor], classifier: str, where: str) -> None:
    backbone = {name for name, value in target.items() if value.dim() >= 2 and not in_classifier(name, classifier)}
    if backbone and backbone.isdisjoint(report.matched):
        theirs = by_module(report.unexpected, 4) or reasons(report.reshaped | report.rejected)
        raise ValueError(f"{where}: no weights in front of the classifier are in the file, which has {theirs}")


def _check_share(report: LoadReport, classifier: str, fit: str, where: str) -> None:
    """Raise ValueError unless most of what is in front of the classifier is in the file."""
    found, missing = (
        [name for name in names if not in_classifier(name, classifier)]
        for names in ([*report.matched, *report.rejected], [*report.absent, *report.reshaped])
    )
    share = len(found) / (len(found) + len(missing)) if found or missing else 1.0
    if share < _MIN_SHARE:
        names = ", ".join(missing[:3])
        hint = f"; {WAY_OUT}" if fit == "backbone" and found else ""
        raise ValueError(
            f"{where}: only {share:.0%} of the network's tensors are in the file (missing: {names}, ...); "
            f"is it of another network?{hint}"
        )


def _their_classifier(
    report: LoadReport, target: Mapping[str, Tensor], tensors: Mapping[str, Tensor], classifier: str
) -> str:
    """Return the classifier that a file has under another name (last_linear.weight) in the place of the network's."""
    if classifier not in report.absent:
        return ""
    theirs = classifier_weight({name: tensors[name] for name in report.unexpected})
    return theirs if theirs and tensors[theirs].shape[1:] == target[classifier].shape[1:] else ""
