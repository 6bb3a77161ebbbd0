"""One process of a run of several: it joins the others, does its part, and tells how that ended."""

import datetime
import os
import pickle
import platform
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import torch
import torch.distributed as dist

from pycls.core.bounds.out_of_memory import memory_line
from pycls.core.bounds.secrets import hide_secrets
from pycls.core.distributed import local_rank
from pycls.core.last_words import say_on_stderr
from pycls.core.processes.pulse import GOES_ON, is_of_a_connection, watched_peers
from pycls.core.processes.starting import die_with_parent, let_signals_in
from pycls.core.registry import first_line, printable_lines
from pycls.core.stop_signals import EXIT_STOPPED, Ending, Interrupted, PeerLostError, handle_signals


@dataclass(frozen=True)
class Group:
    """How the processes of a run are joined."""

    backend: str  # nccl or gloo
    timeout_minutes: float  # that a collective may take
    pulse_sec: float  # that a process may be without a sign of life; 0: for ever


@dataclass(frozen=True)
class ChildError:
    """An exception on its way from a child to the parent."""

    kind: str  # name of its class
    message: str
    traceback: str


def run_in_group(run: Callable, args: tuple, group: Group) -> Any:
    """Join the process group, call `run(*args)` and leave; after an exception the group ends with the process.

    PeerLostError when another process does not come, or is gone; ChildProcessError when it failed.
    """
    if group.backend == "nccl":
        torch.cuda.set_device(local_rank())  # before the group exists: NCCL binds to the current device
    try:
        dist.init_process_group(group.backend, timeout=datetime.timedelta(minutes=group.timeout_minutes))
        if group.backend == "gloo":
            dist.barrier()  # who is done at once would otherwise leave before another one has come
    except RuntimeError as error:
        if not is_of_a_connection(error):
            raise
        raise PeerLostError(
            f"rank {os.environ['RANK']} on {platform.node()}: the processes of the run did not all come together "
            f"within DIST_TIMEOUT_MINUTES {group.timeout_minutes:g} ({first_line(error)}); {GOES_ON}"
        ) from None
    with watched_peers(group.pulse_sec):
        result = run(*args)
    dist.destroy_process_group()
    return result


def child_main(rank: int, environment: dict, run: Callable, args: tuple, group: Group, answers: Connection) -> None:
    """Run as process `rank`, with the variables that torchrun would set; send the result in a tuple, or the error."""
    die_with_parent()
    ending = Ending()
    handle_signals(ending.handle)
    os.environ.update(environment, RANK=str(rank), LOCAL_RANK=str(rank), LOCAL_WORLD_SIZE=environment["WORLD_SIZE"])
    try:
        let_signals_in()
        result = run_in_group(run, args, group)
        _send(answers, (result if rank == 0 else None,))
    except PeerLostError as error:
        say_on_stderr(f"error: {error}")
        sys.exit(EXIT_STOPPED)
    except Interrupted as error:
        ending.number = error.number
        sys.exit(ending.exit_code())
    except Exception as error:
        # Sent before this process ends: its peers fail as soon as the connection closes, and their error says less.
        of_memory = memory_line(error)
        kind = MemoryError.__name__ if of_memory else type(error).__name__
        trace = hide_secrets(printable_lines(traceback.format_exc()))  # which Python prints as it is
        _send(answers, ChildError(kind, of_memory or str(error), trace))
        sys.exit(1)


def _send(answers: Connection, what: Any) -> None:
    """Send plain bytes: torch would send tensors as handles of memory, which this process's end may overtake."""
    answers.send_bytes(pickle.dumps(what))
