"""Work for the worker tests; a module of its own, so that child processes import little."""

import os
import time
from pathlib import Path

import torch


def answer(path: str) -> None:
    """Write the process's number and torch's threads to a file; raise for "bad", sleep for "slow"."""
    if path == "bad":
        raise ValueError("bad task")
    if path == "slow":
        time.sleep(60)
    Path(path).write_text(f"{os.getpid()} {torch.get_num_threads()}")
