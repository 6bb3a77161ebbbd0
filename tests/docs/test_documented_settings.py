"""Keys with values, and options, that sentences, tables and configs' headers mention, are there and may have them."""

import re

import pytest

from pycls.commands import COMMANDS
from pycls.core.config import load_cfg
from tests.helpers.commands import pycls_here
from tests.helpers.documented.find import PAGES, inline_code, name_of
from tests.helpers.documented.settings import key_values, settings_of_headers, settings_of_page
from tests.helpers.paths import ROOT

SETTINGS = {setting.text: setting for path in PAGES for setting in settings_of_page(name_of(path), path.read_text())}
OF_HEADERS = {(setting.page, setting.text): setting for setting in settings_of_headers()}


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=lambda setting: setting.place)
def test_a_setting_of_a_page(setting):
    check(setting, None)


@pytest.mark.parametrize("setting", OF_HEADERS.values(), ids=lambda setting: setting.place)
def test_a_setting_of_a_header(setting):
    check(setting, str(ROOT / setting.page))


def check(setting, cfg_file):
    for words in key_values(setting.text):
        try:
            load_cfg(cfg_file, words)
        except ValueError as error:
            pytest.fail(f"{setting.place}: {setting.text}\n{error}", pytrace=False)


@pytest.mark.parametrize("text", ["TRAIN.AUGMENT_OPS cutmix", "DATA_LOADER.BACKEND custom|tourch", "BN.EPS small"])
def test_a_wrong_setting_fails_by_its_place(text):
    (setting,) = settings_of_page("page.md", f"\nSet\n`{text}` for\nmore")
    with pytest.raises(pytest.fail.Exception, match=rf"^page\.md:3: {re.escape(text)}\n.*{text.split('.')[0]}"):
        check(setting, None)


def test_pages_have_settings():
    assert len(SETTINGS) > 60 and len(OF_HEADERS) > 5


# ---- options


OF_OTHERS = {"--beta": "CutMix", "--cutmix_prob": "CutMix", "--train-interpolation": "timm"}


def test_an_option_that_is_mentioned_is_one_of_ours():
    sources = [path.read_text() for path in (ROOT / "benchmarks").rglob("*.py")]
    ours = {"--help", *re.findall(r'"(--[a-z][\w-]*)"', "".join(sources))}
    for command in COMMANDS:
        ours |= set(re.findall(r"--[a-z][\w-]*", pycls_here(command, "--help").stdout))
    mentioned = {
        (option, f"{name_of(path)}:{line}")
        for path in PAGES
        for line, code in inline_code(path.read_text())
        if code.startswith("--")
        for option in re.findall(r"(?<!\S)--[a-z][\w-]*", code)
    }
    unknown = [use for use in mentioned if use[0] not in ours | set(OF_OTHERS)]
    assert not unknown and len(mentioned) > 30
    assert set(OF_OTHERS) <= {option for option, _ in mentioned}
