"""KEY VALUE pairs in whatever way they are written, and options wherever they stand."""

import pytest

from pycls.core.cli import build_parser
from pycls.core.config import load_cfg
from pycls.core.config.command_words import sort_words

PLAIN = build_parser("tool", "x", "y")
WITH_PATHS = build_parser("tool", "x", "y", paths="IMAGE")
WITH_PATHS.add_argument("--csv", metavar="FILE")
WITH_PATHS.add_argument("--topk", type=int)


@pytest.mark.parametrize(
    ("words", "rest", "pairs"),
    [
        ("A.B 3 C d", "", "A.B 3 C d"),
        ("A.B=3 C=d", "", "A.B 3 C d"),
        ("--A.B=3 --C d", "", "A.B 3 C d"),
        ("--A.B 3 -C=d", "", "A.B 3 C d"),
        ("A.B = 3 C d", "", "A.B 3 C d"),
        ("A.B 3 --diff C d", "--diff", "A.B 3 C d"),
        ("A.B -1e-3 C -1", "", "A.B -1e-3 C -1"),
        ("--cfg x.yaml A.B 3", "--cfg x.yaml", "A.B 3"),
        ("A.B 3 --cfg=x.yaml", "--cfg=x.yaml", "A.B 3"),
        ("x.yaml A.B 3", "--cfg x.yaml", "A.B 3"),
        ("A.B 3 --config x.yaml --print", "--config x.yaml --print", "A.B 3"),
        ("a.b=3", "", "a.b 3"),
        ("A.B=x=y C=", "", "A.B x=y C "),
        ("CFG_DEST x.yaml", "", "CFG_DEST x.yaml"),
        ("CFG_DEST=x.yaml DESC=a=b.yaml", "", "CFG_DEST x.yaml DESC a=b.yaml"),
        ("-- A.B 3", "", "A.B 3"),
        ("python 1", "", "python 1"),
    ],
)
def test_pairs_of_a_command_without_paths(words, rest, pairs):
    found = sort_words(PLAIN, words.split(), takes_paths=False)
    assert found == (rest.split(), [word for word in pairs.split(" ") if pairs])


@pytest.mark.parametrize(
    ("words", "rest", "pairs"),
    [
        ("photos a.png A.B 3", "photos a.png", "A.B 3"),
        ("A.B 3 photos --csv OUT a.png C=4", "photos --csv OUT a.png", "A.B 3 C 4"),
        ("IMG_0001.JPG A.B 3", "IMG_0001.JPG", "A.B 3"),
        ("out/A.B=3.png MODEL.onnx", "out/A.B=3.png MODEL.onnx", ""),
        ("--topk -1 photos", "--topk -1 photos", ""),
        ("A.B 3 -- C d", "-- C d", "A.B 3"),
        ("A=B.png", "A=B.png", ""),
        ("a.pyth lr=0.1.onnx DESC=x.yaml x.yaml", "a.pyth lr=0.1.onnx --cfg x.yaml", "DESC x.yaml"),
    ],
)
def test_pairs_of_a_command_with_paths(words, rest, pairs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("IMG_0001.JPG", "A=B.png"):  # as cameras and people call them
        (tmp_path / name).touch()
    assert sort_words(WITH_PATHS, words.split(), takes_paths=True) == (rest.split(), pairs.split())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("OPTIM.MAX_EPOCH", "'OPTIM.MAX_EPOCH' at the end has no value"),
        ("OPTIM.MAX_EPOCH --diff", "'OPTIM.MAX_EPOCH' has no value before '--diff'"),
        ("OPTIM.MAX_EPOCH TRAIN.BATCH_SIZE 3", "'OPTIM.MAX_EPOCH' has no value before 'TRAIN.BATCH_SIZE'"),
        ("--epochs 3", "unrecognized arguments: --epochs; keys of the config are written KEY VALUE, such as"),
        ("--lr=3 A.B 3", "unrecognized arguments: --lr=3; keys"),
    ],
)
def test_what_is_not_understood_is_answered_with_how_to_write_it(words, said, capsys):
    with pytest.raises(SystemExit) as end:
        sort_words(PLAIN, words.split(), takes_paths=False)
    told = capsys.readouterr().err
    assert end.value.code == 2 and said in told and told.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "pairs"),
    [
        ("A.B [160, 320] C d", ["A.B", "[160, 320]", "C", "d"]),
        ("A.B=[160, 320] C d", ["A.B", "[160, 320]", "C", "d"]),
        ("A.B [ [0, 128], [10, 224] ]", ["A.B", "[ [0, 128], [10, 224] ]"]),
        ("A.B (1, 2)", ["A.B", "(1, 2)"]),
        ("A.B [1,2] C d", ["A.B", "[1,2]", "C", "d"]),
        ("A.B [x C d", ["A.B", "[x", "C", "d"]),
    ],
)
def test_a_list_that_the_shell_cut_at_its_spaces_is_one_value(words, pairs):
    assert sort_words(PLAIN, words.split(), takes_paths=False) == ([], pairs)


def test_a_missing_file_that_looks_like_a_key_is_called_so(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        sort_words(WITH_PATHS, ["IMG_0002.JPG", "--csv", "x.csv"], takes_paths=True)
    assert "IMG_0002.JPG: no such file, and overrides come in KEY VALUE pairs" in capsys.readouterr().err


def test_lists_of_words_are_written_as_in_yaml():
    words = ["TRAIN.FROZEN", "[stem,s1.b2]", "MB.ACTS", "[relu]"]
    cfg = load_cfg(None, words)
    assert cfg.TRAIN.FROZEN == ["stem", "s1.b2"] and cfg.MB.ACTS == ["relu"]
    with pytest.raises(ValueError, match=r"OPTIM\.STEPS must be numbers"):
        load_cfg(None, ["OPTIM.STEPS", "[0,a]"])
