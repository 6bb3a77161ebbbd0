"""What processes share without a name in any folder: a queue, a lock, a flag.

multiprocessing's own are semaphores in /dev/shm, which stay there when all processes of a run are killed at once.
"""

import contextlib
import fcntl
import os
import queue
import tempfile
import threading
from multiprocessing import reduction
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext
from typing import Any

_PIPE_BYTES = 1 << 20  # as much as Linux gives everybody: who fills a queue should not wait for who empties it


class NamelessFile:
    """A file without a name, the same one in every process that it is handed to as a worker starts."""

    def __init__(self) -> None:
        if hasattr(os, "memfd_create"):
            self.fd = os.memfd_create("pycls")
        else:
            with tempfile.TemporaryFile() as file:
                self.fd = os.dup(file.fileno())

    def __getstate__(self) -> Any:
        return reduction.DupFd(self.fd)

    def __setstate__(self, handle: Any) -> None:
        self.fd = handle.detach()

    def __del__(self) -> None:
        with contextlib.suppress(OSError, AttributeError):
            os.close(self.fd)


class Flag:
    """What a process sets and others see, as multiprocessing.Event."""

    def __init__(self) -> None:
        self._file = NamelessFile()

    def set(self) -> None:
        """Set it, for good."""
        os.pwrite(self._file.fd, b"1", 0)

    def is_set(self) -> bool:
        """Tell whether it is set."""
        return os.pread(self._file.fd, 1, 0) == b"1"


class Lock:
    """A lock between processes and between their threads; the system releases that of a process that dies."""

    def __init__(self) -> None:
        self.__setstate__(NamelessFile())

    def __getstate__(self) -> NamelessFile:
        return self._file

    def __setstate__(self, file: NamelessFile) -> None:
        self._file, self._threads = file, threading.Lock()

    def __enter__(self) -> None:
        self._threads.acquire()
        fcntl.lockf(self._file.fd, fcntl.LOCK_EX)

    def __exit__(self, *error: object) -> None:
        fcntl.lockf(self._file.fd, fcntl.LOCK_UN)
        self._threads.release()


class Queue:
    """A pipe that several processes put into and take from, with as much of multiprocessing.Queue as torch asks for."""

    def __init__(self, context: BaseContext):
        self._reader: Connection
        self._writer: Connection
        self._reader, self._writer = context.Pipe(duplex=False)
        self._reading, self._writing = Lock(), Lock()
        with contextlib.suppress(OSError, AttributeError):  # not Linux, or the user's pipes are at their limit
            fcntl.fcntl(self._writer.fileno(), fcntl.F_SETPIPE_SZ, _PIPE_BYTES)

    def put(self, item: Any) -> None:
        """Put an item in; waits where the pipe is full."""
        data = reduction.ForkingPickler.dumps(item)
        with self._writing:
            self._writer.send_bytes(data)

    def get(self, timeout: float | None = None) -> Any:
        """Take the next item; queue.Empty when there is none for so many seconds (with one process that takes)."""
        with self._reading:
            if not self._reader.poll(timeout):
                raise queue.Empty
            data = self._reader.recv_bytes()
        return reduction.ForkingPickler.loads(data)

    def close(self) -> None:
        """Close it in this process."""
        self._reader.close()
        self._writer.close()

    def cancel_join_thread(self) -> None:
        """Do nothing: no thread fills the pipe."""
