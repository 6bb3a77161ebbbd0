"""Settings of a process that loads data for another one."""

import signal

import cv2
import torch

# A terminal sends Ctrl-C, and a scheduler its warning, to every process of a job. Only the training process acts on them:
# it may need batches to reach the end of its step, and its loaders end with it.
_PARENTS_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)


def prepare_child() -> None:
    """Use one core, and leave the signals that stop a run to the parent."""
    for number in _PARENTS_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
