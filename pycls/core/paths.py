"""Paths as users write them: `~` and variables are expanded, and what is to be written is tried before the work."""

import errno
import os
import re
from collections.abc import Sequence
from pathlib import Path

from pycls.core.registry import shown

_PATH_ERRORS = (
    *(errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOTEMPTY, errno.ENAMETOOLONG, errno.ELOOP),
    *(errno.EACCES, errno.EPERM, errno.EROFS),
)
_VARIABLE = re.compile(r"\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)\})")


def expand_path(text: str, what: str) -> str:
    """Return a path with `~`, `$NAME` and `${NAME}` replaced; addresses, and names that lie there so, stay.

    ValueError, which begins with `what`, names a variable that is not set, a user that is not known here, or a path
    that no file can have: a name too long, links that lead in a circle.
    """
    if "://" in text or _is_there(text, what):
        return text
    for match in _VARIABLE.finditer(text):
        name = match[1] or match[2]
        if name not in os.environ:
            raise ValueError(f"{what}: the environment variable {name} is not set, in {shown(text)}")
    path = os.path.expanduser(_VARIABLE.sub(lambda match: os.environ[match[1] or match[2]], text))
    if path.startswith("~"):  # other code would expand it again, and fail
        user, hint = path[1:].partition(os.sep)[0], "write ./~... for a name that begins so"
        raise ValueError(f"{what}: there is no user {shown(user)} here, in {shown(text)}; {hint}")
    _is_there(path, what)
    return path


def _is_there(path: str, what: str) -> bool:
    """Tell whether a path exists; ValueError where none can be, which os.path.exists would call "not there"."""
    try:
        os.stat(path)
    except OSError as error:
        if error.errno in (errno.ENAMETOOLONG, errno.ELOOP):
            reason = "a circle of links" if error.errno == errno.ELOOP else os.strerror(error.errno).lower()
            raise ValueError(f"{what} {shown(path)}: {reason}; give another path") from None
        return False
    except ValueError:  # a NUL in it: the form of the key is checked later
        return False
    return True


def check_outputs(
    outputs: Sequence[str | Path], inputs: Sequence[str | Path] = (), makes_folders: bool = False
) -> None:
    """Raise ValueError for a file that is to be written and is also read, is written twice, or cannot be written.

    `makes_folders`: its folder need not be there, the writer makes it.
    """
    seen = {os.path.realpath(path): path for path in inputs}
    for path in outputs:
        if os.path.realpath(path) in seen:
            raise ValueError(f"{path}: is named twice, it would be overwritten; give another name to write to")
        seen[os.path.realpath(path)] = path
        if makes_folders:
            check_output_folder(Path(path).parent, f"{path}: the folder")
        _check_file(Path(path), makes_folders)


def reason_of(error: OSError) -> str:
    """Return what the system says, with the path it says it of first, without its number."""
    if not error.strerror:
        return str(error)
    paths = [os.fsdecode(path) for path in (error.filename, error.filename2) if isinstance(path, (str, bytes))]
    return ": ".join([" -> ".join(paths), error.strerror] if paths else [error.strerror])


def is_about_path(error: OSError) -> bool:
    """Tell whether trying again is no use before the user has changed a path or its rights."""
    return isinstance(error.filename, (str, bytes)) and error.errno in _PATH_ERRORS


def check_output_folder(folder: Path, what: str) -> None:
    """Raise ValueError, which begins with `what`, unless a folder that may not be there yet can be written to."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not there.is_dir():
        reason = os.strerror(errno.EEXIST if there == folder else errno.ENOTDIR)
        raise ValueError(f"{what} {shown(str(folder))}: cannot be made, or is no folder ({reason})")
    if not os.access(there, os.W_OK | os.X_OK):
        raise ValueError(f"{what} {shown(str(folder))}: {there} may not be written to; choose another folder")


def _check_file(path: Path, makes_folders: bool) -> None:
    if path.is_dir():
        raise ValueError(f"{path}: is a folder; give the name of a file to write")
    if makes_folders and not path.exists():
        return
    if not path.parent.is_dir():
        raise ValueError(f"{path}: cannot be written, there is no folder {path.parent}; make it, or choose another")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise ValueError(f"{path}: may not be written; choose another name or folder")
