"""A folder for a while, which is gone afterwards however the program ends."""

import contextlib
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def temporary_folder(parent: Path | None = None) -> Iterator[Path]:
    """Make a folder in `parent` (None: where temporary files go) and remove it in the end, with all that is in it.

    A process in a session of its own waits for the end of a pipe from this one, and does so then: it comes by SIGKILL,
    too, and where a whole job is killed that other process is not.
    """
    folder = Path(tempfile.mkdtemp(prefix="pycls-", dir=parent))
    command = ["sh", "-c", 'cat > /dev/null; rm -rf -- "$0"', str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True):  # closes the pipe, and waits
        yield folder
