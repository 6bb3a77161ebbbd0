"""Lists of images as people write them: dialects, headers, labels; and one line for each way one can be wrong."""

import logging
import sys
import time

import numpy as np
import pytest

from pycls.datasets.sources import list_file
from pycls.datasets.sources.list_file import read_list

ROWS = [("x/a.jpg", "cat"), ("x/b, c.jpg", "dog"), ("d.jpg", "cat")]


@pytest.fixture(autouse=True)
def files(tmp_path):
    (tmp_path / "x").mkdir()
    for path, _ in ROWS:
        (tmp_path / path).write_bytes(path.encode())


def write(tmp_path, text, name="photos.csv", encoding="utf-8"):
    (tmp_path / name).write_bytes(text.encode(encoding))
    return tmp_path / name


def rows_of(samples):
    return [(samples.paths[i], samples.classes[samples.labels[i]]) for i in range(len(samples))]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('path,label\nx/a.jpg,cat\n"x/b, c.jpg",dog\nd.jpg,cat\n', "photos.csv"),
        ('\ufeffpath,label\r\nx/a.jpg,cat\r\n"x/b, c.jpg",dog\r\n\r\nd.jpg,cat\r\n,\r\n', "photos.csv"),  # of Excel
        ('x/a.jpg,cat\n"x/b, c.jpg",dog\nd.jpg,cat', "photos.CSV"),  # no header, no last newline
        ("File Name;id;Class\nx/a.jpg;7;cat\nx/b, c.jpg;8;dog\nd.jpg;9;cat\n", "photos.csv"),
        ("label\tfilepath\ncat\tx/a.jpg\ndog\tx/b, c.jpg\ncat\td.jpg\n", "photos.tsv"),
        ('image, target\n./x/a.jpg, cat\n"x\\b, c.jpg", dog\nd.jpg, cat\n', "photos.csv"),  # of Windows
    ],
)
def test_dialects(tmp_path, text, name):
    samples = read_list(write(tmp_path, text, name)).select(None)
    assert rows_of(samples) == ROWS
    assert samples.classes == ("cat", "dog") and samples.labels.dtype == np.int64
    assert [samples.read(i).decode() for i in range(3)] == [path for path, _ in ROWS]
    assert samples.key(2) == "photos/d.jpg" and samples.split == "photos"


def test_absolute_paths_and_names_that_are_no_unicode(tmp_path):
    odd = tmp_path / "x" / "\udcff.jpg"
    odd.write_bytes(b"odd")
    file = tmp_path / "photos.csv"
    file.write_bytes(b"path,label\n" + str(odd).encode(errors="surrogateescape") + b",\xe9t\xe9\n")
    samples = read_list(file).select(None)
    assert samples.read(0) == b"odd" and samples.name(0) == str(odd) and samples.classes == ("\udce9t\udce9",)


def test_a_backslash_may_be_part_of_a_name(tmp_path):
    (tmp_path / "x\\a.jpg").write_bytes(b"with a backslash")
    assert read_list(write(tmp_path, "x\\a.jpg,cat\n")).select(None).read(0) == b"with a backslash"


def test_one_image_written_in_many_ways_is_one_path(tmp_path, caplog):
    ways = ["x/a.jpg", "x//a.jpg", "./x/./a.jpg", "x/../x/a.jpg", f"{tmp_path}/x/a.jpg", f"{tmp_path}/x/../x/a.jpg"]
    samples = read_list(write(tmp_path, "".join(f"{way},cat\n" for way in ways))).select(None)
    assert {samples.paths[i] for i in range(6)} == {"x/a.jpg"} and "5 rows name an image" in caplog.text
    (tmp_path / "far/y").mkdir(parents=True)
    (tmp_path / "far/b.jpg").write_bytes(b"beside what the link leads to")
    (tmp_path / "link").symlink_to("far/y")
    assert read_list(write(tmp_path, "link/../b.jpg,cat\n")).select(None).read(0).startswith(b"beside")
    below = write(tmp_path / "x", "../d.jpg,cat\n")
    assert read_list(below).select(None).read(0) == b"d.jpg"


@pytest.mark.parametrize("header", ["file.name,label", "image.file,class"])
def test_a_header_with_a_dot_is_no_image(tmp_path, header):
    with pytest.raises(ValueError, match=f"photos.csv:1: expected columns path, label .* found {header.split(',')[0]}"):
        read_list(write(tmp_path, f"{header}\nd.jpg,cat\n"))


def test_many_labels_take_no_longer_than_their_rows(tmp_path):
    file = write(tmp_path, "path,label\n" + "".join(f"{n}.jpg,{n}\n" for n in range(40_000)))
    start = time.process_time()
    assert len(read_list(file).label_names) == 40_000
    assert time.process_time() - start < 8  # of squares of 40,000 it would take half a minute


def test_numbers_are_ordered_by_value_and_names_as_folders_are(tmp_path):
    samples = read_list(write(tmp_path, "path,label\na.jpg,10\nb.jpg,2\nc.jpg,002\n")).select(None)
    assert samples.classes == ("2", "10") and samples.labels.tolist() == [1, 0, 0]
    samples = read_list(write(tmp_path, "path,label\na.jpg,b10\nb.jpg,b2\nc.jpg,B\n")).select(None)
    assert samples.classes == tuple(sorted(["b10", "b2", "B"]))


def test_splits_of_one_spelling(tmp_path):
    listing = read_list(write(tmp_path, "path,label,split\na.jpg,1,Train\nb.jpg,2,val\nc.jpg,2,train\nd.jpg,1,VAL\n"))
    assert listing.split_names == ("Train", "val")
    assert rows_of(listing.select("Train")) == [("a.jpg", "1"), ("c.jpg", "2")]
    assert listing.select("val").split == "val"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "photos.csv is empty: expected columns path, label"),
        ("path,label\n", "photos.csv lists no images"),
        ("name,diagnosis\na.jpg,3\n", r"photos.csv:1: expected columns path, label .* found name, diagnosis"),
        ("path,label\na.jpg,cat\nb.jpg\n", "photos.csv:3: 1 columns instead of 2$"),
        ("path,label\na, b.jpg,cat\n", "photos.csv:2: 3 columns instead of 2; put quotes around"),
        ("path,label\na.jpg,\n", "photos.csv:2: the label is empty"),
        ("path,label\n ,cat\n", "photos.csv:2: the path is empty"),
        ("path,label,split\na.jpg,cat,train\nb.jpg,cat,\n", "photos.csv:3: the split is empty"),
        ("path,label,path\na.jpg,cat,b.jpg\n", "photos.csv: two columns are called 'path'"),
        ('path,label\n"a.jpg,cat\nb.jpg,dog\n', r"photos.csv:3: unexpected end of data \(quotes that do not close\?\)"),
        ("path,label\na\0.jpg,cat\n", "photos.csv:2: the path holds a zero byte"),
    ],
)
def test_mistakes_name_file_and_line(tmp_path, text, message):
    with pytest.raises(ValueError, match=message) as caught:
        read_list(write(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_wide_text_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"photos.csv is UTF-16 text: save it as UTF-8"):
        read_list(write(tmp_path, "path,label\na.jpg,cat\n", encoding="utf-16"))


def test_rows_that_come_again_are_warned_of(tmp_path, caplog):
    text = "path,label,split\na.jpg,1,train\nb.jpg,2,train\na.jpg,1,val\nb.jpg,1,train\n./b.jpg,2,train\n"
    with caplog.at_level(logging.WARNING):
        listing = read_list(write(tmp_path, text))
    assert len(listing.select("train")) == 4
    (message,) = caplog.messages
    assert "3 rows name an image that is listed before, 2 of them with another label, 1 of them in another" in message


def test_a_list_that_changes_is_read_again(tmp_path):
    assert len(read_list(write(tmp_path, "a.jpg,1\n")).paths) == 1
    assert len(read_list(write(tmp_path, "a.jpg,1\nb.jpg,1\n")).paths) == 2


def test_long_lists_are_shared_by_processes(tmp_path, monkeypatch):
    monkeypatch.setenv("PYCLS_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(list_file, "_MANY", 3)
    import pickle

    samples = read_list(write(tmp_path, 'x/a.jpg,cat\n"x/b, c.jpg",dog\nd.jpg,cat')).select(None)
    travelled = pickle.dumps(samples)
    assert b"d.jpg" not in travelled  # but where the list is mapped from
    assert rows_of(pickle.loads(travelled)) == ROWS


def test_no_name_of_a_split_leads_out_of_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PYCLS_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(list_file, "_MANY", 1)
    names = ("../../../out", "a/b", "x" * 300)
    listing = read_list(write(tmp_path, "path,label,split\n" + "".join(f"d.jpg,cat,{name}\n" for name in names)))
    assert [rows_of(listing.select(name)) for name in names] == [[("d.jpg", "cat")]] * 3
    assert len(list((tmp_path / "cache/index").glob("list-*"))) == 3 and not (tmp_path / "out").exists()


def test_parquet_needs_its_package(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ValueError, match=r"photos.parquet: to read Parquet, pyarrow has to be installed \(pip install"):
        read_list(write(tmp_path, "", "photos.parquet"))


def test_parquet(tmp_path):
    """With the package itself, where it is installed."""
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    table = pyarrow.table({"id": [1, 2], "file_name": ["x/a.jpg", "d.jpg"], "label": [3.0, None], "split": ["a", "b"]})
    parquet.write_table(table, tmp_path / "photos.parquet")
    with pytest.raises(ValueError, match=r"photos.parquet:2: the label is empty"):
        read_list(tmp_path / "photos.parquet")
    parquet.write_table(table.slice(0, 1), tmp_path / "photos.parquet")
    assert rows_of(read_list(tmp_path / "photos.parquet").select("a")) == [("x/a.jpg", "3")]


def test_parquet_by_batches(tmp_path):
    """Several groups of rows, whole floats, a column that is not read."""
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    table = pyarrow.table(
        {"label": [1.0, 0.0, 1.0], "path": ["x/a.jpg", "d.jpg", "x/b, c.jpg"], "weight": [[1], [], []]}
    )
    parquet.write_table(table, tmp_path / "photos.parquet", row_group_size=1)
    samples = read_list(tmp_path / "photos.parquet").select(None)
    assert rows_of(samples) == [("x/a.jpg", "1"), ("d.jpg", "0"), ("x/b, c.jpg", "1")]


def test_a_list_that_unpacks_to_much_more_is_refused(tmp_path):
    """About a kilobyte each: 100,000 times a path of 5 MB, a million rows, lists in cells."""
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    def one_of(text, count):
        return pyarrow.DictionaryArray.from_arrays(pyarrow.array(np.zeros(count, np.int32)), pyarrow.array([text]))

    bombs = {
        "a cell of column 'path' has 5,000,000 bytes, 16,384 at most": {"path": one_of("x" * 5_000_000, 100_000)},
        "1,000,000 rows in [0-9,]+ bytes: no list of images": {"path": one_of("a.jpg", 1_000_000)},
        "column 'path' holds list<.*>, expected text or numbers": {"path": pyarrow.array([["a.jpg"]] * 10)},
    }
    for words, columns in bombs.items():
        columns["label"] = one_of("cat", len(columns["path"]))
        parquet.write_table(pyarrow.table(columns), tmp_path / "bomb.parquet", compression="zstd")
        assert (tmp_path / "bomb.parquet").stat().st_size < 10_000
        with pytest.raises(ValueError, match=rf"bomb.parquet: {words}"):
            read_list(tmp_path / "bomb.parquet")


def test_a_line_without_end_is_refused(tmp_path):
    with (tmp_path / "photos.csv").open("wb") as file:
        file.truncate(10**10)
    with pytest.raises(ValueError, match=r"photos.csv:1: the line is longer than 1,000,000 characters"):
        read_list(tmp_path / "photos.csv")
