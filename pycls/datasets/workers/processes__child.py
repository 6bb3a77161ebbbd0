"""Start and settings of a process that loads data for another one."""

import multiprocessing
import os
import signal
import threading
from multiprocessing.context import BaseContext
from types import FrameType

import cv2
import torch


def child_context(module: str) -> BaseContext:
    """Return how workers start: never as a fork of this process, whose threads (torch, DALI) may hold locks just then.

    A fork server, where there is one, imports `module`, and torch with it, once, and has no threads; forks of it start
    at once and share its memory.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([module])
    return context


def prepare_child() -> None:
    """Use one core, end with the parent, and leave the signals that stop a run to it.

    A terminal sends Ctrl-C, and a scheduler its warning, to every process of a job. Only the training process acts on
    them: it may still need batches to finish its step, and its loaders end with it.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _ignore_first)
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    threading.Thread(target=_die_with_parent, daemon=True).start()


def _ignore_first(number: int, frame: FrameType | None) -> None:
    """Overlook the scheduler's SIGTERM; the next one comes from the parent and means this process."""
    signal.signal(number, signal.SIG_DFL)


def _die_with_parent() -> None:
    """End this process when the parent is gone, however it ended (thread).

    torch's workers look for the parent's number in vain: that of a process from a fork server is the server's.
    """
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
