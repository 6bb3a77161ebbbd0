"""Keys that are written with a value, in sentences, tables and configs' headers, may have that value."""

import re

import pytest

from pycls.core.config import load_cfg
from tests.helpers.documented.find import PAGES, name_of
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
