"""Paths as users write them: home, variables; and what cannot be written is told before the work."""

import errno
import os
from pathlib import Path

import pytest

from pycls.core.cli import OneLineParser, run_plain_tool
from pycls.core.config import load_cfg
from pycls.core.config.defaults import declared_keys
from pycls.core.paths import check_output_folder, check_outputs, expand_path

PATH_KEYS = [key for key, row in declared_keys(outside=False).items() if row.form in ("path", "folder")]


@pytest.mark.parametrize("text", ["~/x", "$HOME/x", "${HOME}/x", "$HOME/$PART", "~/${PART}"])
def test_variables_are_replaced_as_a_shell_does(text, monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("PART", "x")
    assert expand_path(text, "a") == os.path.expanduser(os.path.expandvars(text)) == "/home/me/x"


def test_addresses_and_names_that_are_there_stay(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("$odd").touch()
    for text in ("https://a.org/~me/$x.pyth", "$odd", "plain", "a$", "5 $ each"):
        assert expand_path(text, "a") == text


def test_a_user_who_is_not_there_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"^OUT_DIR: there is no user no-such-one here, in ~no-such-one/x; .*\./~"):
        expand_path("~no-such-one/x", "OUT_DIR")
    assert expand_path("./~no-such-one/x", "OUT_DIR") == "./~no-such-one/x"
    (tmp_path / "~no-such-one").mkdir()
    assert expand_path("~no-such-one", "OUT_DIR") == "~no-such-one"


@pytest.mark.parametrize("key", PATH_KEYS)
def test_every_key_of_a_path_is_expanded_in_files_and_on_the_command_line(key, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    section, _, name = key.rpartition(".")
    text = f"{section}: {{{name}: $HOME/x}}" if section else f"{name}: $HOME/x"
    (tmp_path / "a.yaml").write_text(text)
    for cfg in (load_cfg(None, [key, "~/x"]), load_cfg(str(tmp_path / "a.yaml"))):
        assert (cfg[section] if section else cfg)[name] == f"{tmp_path}/x"
    with pytest.raises(ValueError, match=rf"^command line: {key}: the environment variable NO_SUCH is not set"):
        load_cfg(None, [key, "${NO_SUCH}/x"])


@pytest.mark.parametrize("key", PATH_KEYS)
def test_a_path_that_no_file_can_have_is_named_by_its_key(key, tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    for path, said in (("x" * 300, "file name too long"), (f"{tmp_path}/a", "a circle of links")):
        with pytest.raises(ValueError, match=rf"^command line: {key} .*: {said}; give another path$"):
            load_cfg(None, [key, path])


@pytest.mark.parametrize(
    ("number", "code"),
    [(errno.ENAMETOOLONG, 2), (errno.EACCES, 2), (errno.ENOENT, 2), (errno.ENOSPC, 1), (errno.EIO, 1)],
)
def test_what_the_system_says_of_a_path_is_told_without_numbers(number, code, capsys):
    """Bad input where another path would do, else a failure: of a full disk, the same command may go on."""

    def fail(*_):
        raise OSError(number, os.strerror(number), "/x/y")

    parser = OneLineParser("a", "b", "c")
    parser.add_argument("--traceback", action="store_true")
    with pytest.raises(SystemExit) as end:
        run_plain_tool(parser, fail, [])
    assert end.value.code == code and capsys.readouterr().err == f"a: error: /x/y: {os.strerror(number)}\n"


def test_what_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    for path, said in (("none/x.csv", "there is no folder"), (".", "is a folder"), ("file/x", "there is no folder")):
        with pytest.raises(ValueError, match=said):
            check_outputs([tmp_path / path])
    check_outputs([tmp_path / "new", tmp_path / "file"])
    check_outputs([tmp_path / "a/b/new"], makes_folders=True)
    with pytest.raises(ValueError, match="is named twice"):
        check_outputs([tmp_path / "new"], [tmp_path / "sub/../new"])
    with pytest.raises(ValueError, match=r"OUT_DIR .*: cannot be made, or is no folder \(Not a directory\)"):
        check_output_folder(tmp_path / "file/x", "OUT_DIR")
    check_output_folder(tmp_path / "a/b/c", "OUT_DIR")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_place_without_the_right_to_write(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write everywhere
    with pytest.raises(ValueError, match="may not be written; choose another name"):
        check_outputs([tmp_path / "a"])
    with pytest.raises(ValueError, match="may not be written to; choose another folder"):
        check_output_folder(tmp_path / "a", "--out")
