"""TensorBoard event files, optional (pip install tensorboard)."""

import importlib.util
from pathlib import Path
from typing import Any


def build_writer(choice: str, out_dir: str, first_step: int) -> Any | None:
    """Return a writer into `out_dir`/tensorboard or None; events from `first_step` on, of a run cut off, are purged.

    `choice`: auto (when installed), on (ValueError when not installed), off.
    """
    installed = importlib.util.find_spec("tensorboard") is not None
    if choice == "off" or (choice == "auto" and not installed):
        return None
    if not installed:
        raise ValueError("LOG.TENSORBOARD on: tensorboard is not installed (pip install tensorboard)")
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(Path(out_dir) / "tensorboard"), purge_step=first_step + 1)
