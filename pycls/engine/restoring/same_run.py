"""Whether a checkpoint and a config are of one run; what may change in between is said."""

from yacs.config import CfgNode

from pycls.core.config import decides, declaration, flatten
from pycls.core.logging import get_logger

logger = get_logger(__name__)


def check_same_run(saved: CfgNode, cfg: CfgNode, epoch: int, where: str) -> None:
    """Raise ValueError for a config of another run, or one that a finished run could not follow; warn of the rest."""
    old = dict(flatten(saved))
    is_over = epoch >= cfg.OPTIM.MAX_EPOCH
    if epoch > cfg.OPTIM.MAX_EPOCH:
        raise ValueError(
            f"{where}: has {epoch} epochs, OPTIM.MAX_EPOCH is {cfg.OPTIM.MAX_EPOCH}; choose another OUT_DIR"
        )
    for key, value in flatten(cfg):
        if old[key] == value or decides(key) == "nothing":
            continue
        hint = "choose another OUT_DIR, or go on with the old value"
        if decides(key) == "network" or declaration(key).fixed:
            raise ValueError(f"{where}: belongs to a run with {key} {old[key]}, this config says {value}; {hint}")
        if is_over and not _holds_after_training(key):
            raise ValueError(f"{where}: its run ended with {key} {old[key]}, this config says {value}; {hint}")
        logger.warning("Resuming with %s %s; the run so far had %s", key, value, old[key])


def _holds_after_training(key: str) -> bool:
    """Tell whether the evaluation of a finished run may follow another value; OPTIM.MAX_EPOCH was larger."""
    of_both_phases = decides(key) == "data" and not key.startswith("TRAIN.")
    return decides(key) == "evaluation" or of_both_phases or key == "OPTIM.MAX_EPOCH"
