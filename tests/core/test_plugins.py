"""PLUGINS: whose modules are imported, when, from where, and what is said of those that cannot be."""

import sys

import pytest

from pycls.core.config import dump_cfg, load_cfg, load_cfg_text
from pycls.core.plugins import imported_plugins
from tests.helpers.plugins import MINE, nothing_from_outside, write_marked


@pytest.fixture(autouse=True)
def folder(tmp_path):
    with nothing_from_outside(tmp_path) as here:
        yield here


def test_a_file_in_the_current_folder_brings_a_name_and_keys(folder):
    (folder / "mine.py").write_text(MINE)
    with pytest.raises(ValueError, match=r"unknown key MINE.WIDTH: there is no section MINE; name .* PLUGINS"):
        load_cfg(None, ["MINE.WIDTH", "8"])
    with pytest.raises(ValueError, match=r"MODEL.TYPE: unknown choice 'mine'.*; PLUGINS adds others"):
        load_cfg(None, ["MODEL.TYPE", "mine"])
    cfg = load_cfg(None, ["MODEL.TYPE", "mine", "MINE.WIDTH", "8", "PLUGINS", '["mine"]'])
    assert (cfg.MINE.WIDTH, cfg.PLUGINS) == (8, ["mine"]) and imported_plugins() == ("mine",)
    assert "PLUGINS:\n- mine\n" in dump_cfg(cfg)


def test_a_config_file_may_name_it_below_what_needs_it(folder):
    (folder / "mine.py").write_text(MINE)
    (folder / "run.yaml").write_text("MODEL:\n  TYPE: mine\nMINE:\n  WIDTH: 4\nPLUGINS: [mine]\n")
    assert load_cfg("run.yaml").MINE.WIDTH == 4


def test_the_command_line_names_others_than_the_file(folder):
    marks = [write_marked(folder, name) for name in ("one", "two")]
    (folder / "run.yaml").write_text("PLUGINS: [one]\n")
    assert load_cfg("run.yaml", ["PLUGINS", '["two"]']).PLUGINS == ["two"]
    assert [mark.exists() for mark in marks] == [False, True]


def test_a_module_of_a_package_and_one_on_the_path(folder, monkeypatch):
    (folder / "lib" / "my_package").mkdir(parents=True)
    mark = write_marked(folder / "lib" / "my_package", "my_module")
    with pytest.raises(ValueError, match=r"^command line: PLUGINS: cannot import my_package.my_module \(No module"):
        load_cfg(None, ["PLUGINS", '["my_package.my_module"]'])
    monkeypatch.syspath_prepend(folder / "lib")
    load_cfg(None, ["PLUGINS", '["my_package.my_module"]'])
    assert mark.exists()
    sys.modules.pop("my_package")


def test_the_current_folder_does_not_hide_what_is_installed(folder):
    (folder / "installed").mkdir()
    marks = [write_marked(place, "both") for place in (folder, folder / "installed")]
    sys.path.append(str(folder / "installed"))
    load_cfg(None, ["PLUGINS", '["both"]'])
    assert [mark.exists() for mark in marks] == [False, True]


BROKEN = {
    "an error": ("x = 1\nx / 0\n", r"cannot import broken \(ZeroDivisionError: division by zero at .*broken.py:2\)"),
    "a package of its own": (
        "import nowhere",
        r"cannot import broken \(.*No module named 'nowhere' at .*py:1\)",
    ),
    "the end of the program": ("import sys\nsys.exit(0)\n", r"cannot import broken \(SystemExit: 0 at .*broken.py:2\)"),
    "no Python": ("def", r"cannot import broken \(SyntaxError: invalid syntax .*\)"),
    "a section that is taken": (
        'from pycls.core.config import add_section\nadd_section("OPTIM", {"A": 1})',
        r"cannot import broken \(ValueError: add_section: 'OPTIM' is no name for a section.* at .*\)",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_module_that_fails_is_told_with_its_line(folder, name):
    text, message = BROKEN[name]
    (folder / "broken.py").write_text(text)
    (folder / "run.yaml").write_text("DESC: x\nPLUGINS: [broken]\n")
    with pytest.raises(ValueError, match=rf"^run.yaml:2: PLUGINS: {message}$") as caught:
        load_cfg("run.yaml")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("mine", r"PLUGINS expects a list of modules, such as '\[\"my_package.my_module\"\]', got mine"),
        ('["mine.py"]', "PLUGINS: expected names of modules, such as my_package.my_module, got 'mine.py'; write mine"),
        ('["a/b.py"]', "got 'a/b.py'; write a.b"),
        ('["..up"]', "got '..up'"),
        ("[1]", "got 1"),
        ('["nowhere"]', "PLUGINS: cannot import nowhere .*; put its folder on PYTHONPATH, or start in the folder that"),
    ],
)
def test_what_is_no_module_is_refused(words, message):
    with pytest.raises(ValueError, match=f"^command line: .*{message}"):
        load_cfg(None, ["PLUGINS", words])


# ---- a config that came with a checkpoint


def test_stored_text_imports_nothing_and_says_what_to_pass(folder):
    mark = write_marked(folder)
    text = "PLUGINS: [marked]\n"
    with pytest.raises(ValueError, match=r"^best.pyth: was made with .* pass PLUGINS '\[\"marked\"\]'$"):
        load_cfg_text(text, "best.pyth")
    assert not mark.exists() and load_cfg_text(text, "best.pyth", ["PLUGINS", "[]"]).PLUGINS == []
    assert not mark.exists()
    assert load_cfg_text(text, "best.pyth", ["PLUGINS", '["marked"]']).PLUGINS == ["marked"] and mark.exists()
    assert load_cfg_text(text, "best.pyth").PLUGINS == ["marked"]  # it is there by now


def test_stored_text_may_name_what_the_program_has_imported_itself(folder):
    (folder / "mine.py").write_text(MINE)
    sys.path.append(str(folder))
    import mine  # noqa: F401

    assert load_cfg_text("PLUGINS: [mine]\nMINE:\n  WIDTH: 3\n", "best.pyth").MINE.WIDTH == 3
    assert imported_plugins() == ()


def test_odd_names_in_a_checkpoint_stay_words(folder):
    """Nothing in what the user is told to paste may end the quotes."""
    with pytest.raises(ValueError) as caught:
        load_cfg_text('PLUGINS: ["a\'; rm -rf ~ #", "b\\nc", [1]]\n', "best.pyth")
    assert str(caught.value).endswith("""pass PLUGINS '["a'"'"'; rm -rf ~ #", "b\\nc", "[1]"]'""")
