"""Code from outside: the modules that the key PLUGINS names, imported before the rest of a config is read.

A module runs with all rights of the user. So only the user's own config file or command line has one imported; a
config that comes inside a checkpoint never does (`check_imported`).
"""

import importlib
import json
import os
import shlex
import sys
from collections.abc import Sequence
from typing import Any

from pycls.core.registry import shown

_LONGEST_NAME = 200  # characters
_asked_for: list[str] = []  # imported in this process because the user asked, in that order


def import_plugins(names: Sequence[Any], where: str = "PLUGINS") -> None:
    """Import modules once a process, from the current folder too, after all other places.

    ValueError, which begins with `where`, for what is no name of a module and for one that cannot be imported.
    """
    for name in names:
        _check_name(name, where)
        if name not in _asked_for:
            _import(name, where)
            _asked_for.append(name)


def imported_plugins() -> tuple[str, ...]:
    """Return the names for which a process that this one starts must call `import_plugins`."""
    return tuple(_asked_for)


class MissingPluginsError(ValueError):
    """A checkpoint is of code from outside that this process has not been told to import."""


def check_imported(names: Sequence[Any], where: str) -> None:
    """Raise MissingPluginsError, which says what to pass, unless the modules that a checkpoint names are there."""
    missing = [name for name in names if not isinstance(name, str) or name not in sys.modules]
    if missing:
        raise MissingPluginsError(
            f"{where}: was made with code from outside, which no checkpoint has imported by itself; if you trust it, "
            f"pass PLUGINS {shlex.quote(json.dumps([str(name) for name in names]))}"
        )


def _check_name(name: Any, where: str) -> None:
    is_file = isinstance(name, str) and name.endswith(".py")
    is_name = isinstance(name, str) and len(name) <= _LONGEST_NAME and all(map(str.isidentifier, name.split(".")))
    if is_name and not is_file:
        return
    hint = f"; write {shown(name[:-3].replace(os.sep, '.'))}" if is_file else ""
    raise ValueError(f"{where}: expected names of modules, such as my_package.my_module, got {shown(repr(name))}{hint}")


def _import(name: str, where: str) -> None:
    folder = os.getcwd()
    if folder not in sys.path:
        sys.path.append(folder)  # last: a file there must not hide an installed package
    importlib.invalidate_caches()  # a file written a moment ago is found, too
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise _failed(name, where, error) from error
        hint = f"put its folder on PYTHONPATH, or start in the folder that holds it (not {folder})"
        raise ValueError(f"{where}: cannot import {name} ({error}); {hint}") from error
    except (Exception, SystemExit) as error:  # one that ends the program would end it as if all were done
        raise _failed(name, where, error) from error


def _failed(name: str, where: str, error: BaseException) -> ValueError:
    """Return the error of a module that was found, with the line of the traceback nearest to it, in one line."""
    trace, place = error.__traceback__, ""
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if not file.startswith("<") and file not in (__file__, importlib.__file__):
            place = f" at {file}:{trace.tb_lineno}"
        trace = trace.tb_next
    words = " ".join(f"{type(error).__name__}: {error}".split())
    return ValueError(f"{where}: cannot import {name} ({words}{place})")
