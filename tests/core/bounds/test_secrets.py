"""Passwords and keys in addresses are shown nowhere and stored nowhere: lines, errors, configs, checkpoints, pages."""

import logging
import pickle

import pytest
import yaml

from pycls.core.bounds.secrets import hide_secrets
from pycls.core.checkpoint import last_path, load_checkpoint
from pycls.core.config import diff_cfg, dump_cfg, load_cfg
from pycls.engine import train
from tests.helpers.runs import run_tool_here, tiny_cfg, tiny_words

SECRET = "s3cr3t"


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("https://user:s3cr3t@host/a.pyth: no", "https://***@host/a.pyth: no"),
        ("https://s3cr3t@host/a", "https://***@host/a"),
        ("see http://a:s3cr3t@b/c, ftp://d:s3cr3t@e/f", None),
        ("https://user:p/s3cr3t@host/x", "https://***@host/x"),
        ("https://user:p@s3cr3t@host/x", "https://***@host/x"),
        ("https://user:p s3cr3t@host/x", "https://***@host/x"),
        ("http://user:s3cr3t@[::1]:8080/x", "http://***@[::1]:8080/x"),
        ("https://h/x?v=2&token=s3cr3t&w=3 failed", "https://h/x?v=2&token=***&w=3 failed"),
        ("'https://h/x?X-Amz-Signature=s3cr3t'", "'https://h/x?X-Amz-Signature=***'"),
        ("https://h/x?AWSAccessKeyId=s3cr3t;sig=s3cr3t#access_token=s3cr3t", None),
        ("there is no /x/http:/user:s3cr3t@host/a.yaml", "there is no /x/http:/***@host/a.yaml"),
        ("HTTPS://U:S3CR3T@H/X?API_KEY=S3CR3T", "HTTPS://***@H/X?API_KEY=***"),
    ],
)
def test_what_is_secret_becomes_stars(text, hidden):
    found = hide_secrets(text)
    assert SECRET not in found.lower() and "***" in found and hidden in (None, found)
    assert hide_secrets(found) == found


@pytest.mark.parametrize(
    "text",
    [
        "a@b.org",
        "https://h/x@y?v=2",
        "https://h:80/a@b",
        "timm://resnet50.a1_in1k",
        "user:pass",
        "http://[::1]:9/x@y",
        "C:/a@b",
    ],
)
def test_all_else_stays(text):
    assert hide_secrets(text) == text


def test_a_config_is_stored_and_compared_without_it():
    words = ["TRAIN.WEIGHTS", f"https://user:{SECRET}@host/a.pyth"]
    cfg = load_cfg(None, words)
    assert words[1] == cfg.TRAIN.WEIGHTS, "what is asked for still has it"
    assert yaml.safe_load(dump_cfg(cfg))["TRAIN"]["WEIGHTS"] == "https://***@host/a.pyth"
    assert SECRET not in str(diff_cfg(cfg)) and words[1] == pickle.loads(pickle.dumps(cfg)).TRAIN.WEIGHTS


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run whose DESC, a text for people, holds an address with a password."""
    folder = tmp_path_factory.mktemp("run")
    keys = {"OPTIM.MAX_EPOCH": 1, "DESC": f"https://user:{SECRET}@host/a"}
    train(tiny_cfg(folder, **keys, BN__USE_PRECISE_STATS=False, OPTIM__EMA_UPDATE_PERIOD=0))
    return folder


def test_no_file_of_a_run_holds_it(finished):
    files = [path for path in finished.rglob("*") if path.is_file()]
    assert {"config.yaml", "stdout.log", "report.html", "last.pyth"} <= {path.name for path in files}
    assert [path.name for path in files if SECRET.encode() in path.read_bytes()] == []
    assert "https://***@host/a" in load_checkpoint(last_path(finished))["cfg"]


@pytest.mark.parametrize("word", ["TRAIN.WEIGHTS", "TEST.WEIGHTS"])
@pytest.mark.parametrize(
    "address",
    [
        f"http://user:{SECRET}@127.0.0.1:9/",
        f"http://user:{SECRET}@[::1/a.pyth",
        f"http://user:{SECRET}@127.0.0.1:nine/a.pyth",
        f"ftp://user:{SECRET}@host/a.pyth",
        f"http://user:{SECRET} @127.0.0.1/a.pyth",
        f"http://127.0.0.1:9x/a.pyth?token={SECRET}",
        "http://***@127.0.0.1:9/a.pyth",
    ],
)
def test_no_error_shows_it(tmp_path, word, address):
    tool = "train_net.py" if word.startswith("TRAIN") else "test_net.py"
    done = run_tool_here(tool, "--cfg", "configs/quickstart/digits.yaml", *tiny_words(tmp_path / "run"), word, address)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and SECRET not in done.stderr + done.stdout


def test_no_log_line_shows_it(capsys):
    from pycls.core.logging import get_logger, setup_logging

    setup_logging(None)
    get_logger("pycls.x").warning("%s: gone", f"https://user:{SECRET}@host/a")
    assert capsys.readouterr().out == "warning: https://***@host/a: gone\n"
    logging.getLogger("pycls").handlers.clear()
