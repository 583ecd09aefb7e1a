from __future__ import annotations

import bz2
import csv
import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import datasets
import pytest

from theseus_plugin.errors import UserError
from theseus_plugin.tasks.reading import read_data, read_files

NOT_NAN = ["null", "NA", "None", "nan", "NaN", "", "N/A", "inf", "007", "1.50", "True", "  led by spaces"]


def independent(path: Path) -> list[dict[str, str]]:
    header, *lines = path.read_bytes().decode("utf-8-sig").rstrip("\n").split("\n")
    return [dict(zip(header.split("\t"), line.split("\t"), strict=True)) for line in lines]


@pytest.mark.parametrize(
    ("folder", "train", "validation"),
    # this MRPC has one pair less than the 3,668 of the publication
    [("SST-2", 67_349, 872), ("MRPC", 3_667, 408), ("STS-B", 5_749, 1_500)],
)
def test_glue_folders_as_they_are(glue, folder, train, validation):
    for split, file, count in (("train", "train.tsv", train), ("validation", "dev.tsv", validation)):
        rows = read_data(str(glue / folder), None, split, "auto")
        expected = independent(glue / folder / file)
        assert len(rows) == len(expected) == count
        assert rows.names == list(expected[0])
        for column in rows.names:
            assert rows.column(column) == [row[column] for row in expected]


def test_glue_quotes_stay(glue):
    rows = read_data(str(glue / "MRPC"), None, "train", "auto")
    assert rows.texts("#1 String")[0] == (
        'Amrozi accused his brother , whom he called " the witness " , of deliberately distorting his evidence .'
    )
    dev = read_data(str(glue / "MRPC"), None, "validation", "auto")
    # a quote that is never closed
    assert dev.texts("#2 String")[0] == ('" The foodservice pie business does not fit our long-term growth strategy .')


def test_tsv_is_literal(write):
    path = write("a.tsv", "".join(["text\tlabel\n", '"open quote\t0\n', 'a "word" and ""\t1\n', '"closed"\t0\n']))
    assert read_files([path], "auto").texts("text") == ['"open quote', 'a "word" and ""', '"closed"']


def test_tsv_with_csv_quoting(write):
    path = write("a.tsv", 'text\tlabel\n"a\ttab, a ""quote""\nand a newline"\t0\n')
    assert read_files([path], "csv").texts("text") == ['a\ttab, a "quote"\nand a newline']


def test_csv_is_quoted(tmp_path):
    texts = ['say "no"', "a, b", "two\nlines", "plain"]
    with (tmp_path / "a.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["text", "label"], *([text, 0] for text in texts)])
    assert read_files([str(tmp_path / "a.csv")], "auto").texts("text") == texts


def test_csv_with_literal_quotes(write):
    path = write("a.csv", 'text,label\n"open,0\n')
    assert read_files([path], "literal").texts("text") == ['"open']


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "json", "parquet", "tsv.gz", "csv.bz2", "jsonl.gz"])
def test_no_text_becomes_nan_or_a_number(tmp_path, kind):
    path = tmp_path / f"a.{kind}"
    records = [{"text": text, "label": i % 2} for i, text in enumerate(NOT_NAN)]
    base = kind.split(".")[0]
    separator = {"csv": ",", "tsv": "\t"}.get(base)
    if separator:
        lines = [f"text{separator}label", *(f"{r['text']}{separator}{r['label']}" for r in records)]
        content = "\n".join(lines).encode() + b"\n"
    elif base == "jsonl":
        content = "".join(json.dumps(r) + "\n" for r in records).encode()
    elif base == "json":
        content = json.dumps(records).encode()
    else:
        datasets.Dataset.from_list(records).to_parquet(str(path))
        content = path.read_bytes()
    compress = {"gz": gzip.compress, "bz2": bz2.compress}.get(kind.split(".")[-1], bytes)
    path.write_bytes(compress(content))
    rows = read_files([str(path)], "auto")
    assert rows.texts("text") == NOT_NAN
    assert [int(label) for label in rows.column("label")] == [r["label"] for r in records]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.tsv", "\ufefftext\tlabel\nx\t1\n"),
        ("a.csv", '\ufeff"text",label\nx,1\n'),
        ("a.jsonl", '\ufeff{"text": "x", "label": 1}\n'),
        ("crlf.tsv", "text\tlabel\r\nx\t1\r\n"),
    ],
)
def test_bom_and_line_ends_are_no_part_of_the_text(write, name, text):
    rows = read_files([write(name, text)], "auto")
    assert rows.names == ["text", "label"]
    assert rows.texts("text") == ["x"]
    assert [str(label) for label in rows.column("label")] == ["1"]


def test_paths_are_no_patterns(write):
    write("train1.tsv", "text\tlabel\nwrong\t1\n")
    assert read_files([write("train[1]*.tsv", "text\tlabel\nright\t1\n")], "auto").texts("text") == ["right"]


def test_a_link_counts_by_its_own_name(tmp_path):
    (tmp_path / "blob").write_bytes(gzip.compress(b"text\tlabel\nx\t1\n"))
    (tmp_path / "a.tsv.gz").symlink_to(tmp_path / "blob")
    assert read_files([str(tmp_path / "a.tsv.gz")], "auto").texts("text") == ["x"]


def test_a_changed_file_is_read_again(write):
    assert read_files([write("a.tsv", "text\tlabel\nold\t1\n")], "auto").texts("text") == ["old"]
    path = Path(write("a.tsv", "text\tlabel\nnew\t1\n"))
    os.utime(path, ns=(1, 1))  # whatever the clock's resolution
    assert read_files([str(path)], "auto").texts("text") == ["new"]


def test_saved_folder(tmp_path):
    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["neg", "pos"])})
    train = datasets.Dataset.from_dict({"text": ["a", "b"], "label": [1, 0]}, features=features)
    saved = datasets.DatasetDict({"train": train, "test": train.select([1])})
    saved.save_to_disk(tmp_path / "saved")
    rows = read_data(str(tmp_path / "saved"), None, "test", "auto")
    assert rows.texts("text") == ["b"]
    assert rows.class_names("label") == ["neg", "pos"]
    with pytest.raises(UserError, match=r"saved: no split 'tset': did you mean 'test'\?"):
        read_data(str(tmp_path / "saved"), None, "tset", "auto")


def test_saved_without_splits(tmp_path):
    datasets.Dataset.from_dict({"text": ["a"]}).save_to_disk(tmp_path / "saved")
    with pytest.raises(UserError, match="without splits: save a DatasetDict"):
        read_data(str(tmp_path / "saved"), None, "train", "auto")


def test_hub(monkeypatch):
    asked = []
    splits = datasets.DatasetDict({"validation_matched": datasets.Dataset.from_dict({"premise": ["a"]})})
    monkeypatch.setattr(datasets, "load_dataset", lambda *names: asked.append(names) or splits)
    assert read_data("nyu-mll/glue", "mnli", "validation_matched", "auto").texts("premise") == ["a"]
    assert asked == [("nyu-mll/glue", "mnli")]


def test_hub_out_of_reach():
    with pytest.raises(UserError, match=r"^no-such/data-set: no folder of that name here, and the hub") as caught:
        read_data("no-such/data-set", None, "train", "auto")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.xlsx", "x", r"unknown kind of file: give one of \.csv, \.tsv, \.json, \.jsonl, \.parquet"),
        ("a", "x", "unknown kind of file"),
        ("a.tsv", "", "no rows"),
        ("a.tsv", "text\tlabel\n", "no rows"),
        ("a.json", "[]", "no rows"),
        ("a.tsv", "text\tlabel\nx\t1\nx\t1\t2\n", "row 2: 3 cells, but the header has 2: fix the row"),
        ("a.tsv", "text\tlabel\nx\t1\t2\nx\t1\t2\n", "row 1: 3 cells, but the header has 2: fix the row"),
        ("a.jsonl", "{broken\n", "cannot be read.*JSON"),
        ("a.jsonl", "", "no rows"),
        ("a.parquet", "nothing of the kind", "cannot be read"),
    ],
)
def test_bad_files(write, name, text, message, capfd):
    path = write(name, text)
    with pytest.raises(UserError, match=message) as caught:
        read_files([path], "auto")
    assert path in str(caught.value)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_not_utf8(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes("text,label\ncafé,1\n".encode("latin-1"))
    with pytest.raises(UserError, match=r"a\.csv: cannot be read \('utf-8' codec"):
        read_files([str(path)], "auto")


def test_missing_file(tmp_path):
    with pytest.raises(UserError, match=r"gone\.tsv: no such file"):
        read_files([str(tmp_path / "gone.tsv")], "auto")


def test_bad_folders(tmp_path, write):
    with pytest.raises(UserError, match="gone: no such folder"):
        read_data(str(tmp_path / "gone"), None, "train", "auto")
    with pytest.raises(UserError, match=r"a\.tsv is a file, not a folder"):
        read_data(write("a.tsv", "text\tlabel\n"), None, "train", "auto")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="empty: cannot be read"):
        read_data(str(tmp_path / "empty"), None, "train", "auto")
    write("folder/train.tsv", "text\tlabel\nx\t1\n")
    with pytest.raises(UserError, match="folder: no split 'validation': valid: train"):
        read_data(str(tmp_path / "folder"), None, "validation", "auto")


def test_missing_column(write):
    path = write("a.tsv", "sentence\tlabel\nx\t1\n")
    with pytest.raises(UserError) as caught:
        read_files([path], "auto").texts("sentense")
    assert str(caught.value) == f"{path}: no column 'sentense': did you mean 'sentence'?"


def test_empty_split(monkeypatch):
    empty = datasets.Dataset.from_dict({"text": [], "label": []})
    monkeypatch.setattr(datasets, "load_dataset", lambda *_: {"train": empty})
    with pytest.raises(UserError, match="glue: split 'train' has no rows"):
        read_data("glue", None, "train", "auto")


@pytest.mark.parametrize("second", [None, 3])
def test_text_must_be_text(write, second):
    path = write("a.jsonl", json.dumps({"text": "x"}) + "\n" + json.dumps({"text": second}) + "\n")
    with pytest.raises(UserError, match=f"a\\.jsonl, row 2: column 'text' holds {second}, which is not text"):
        read_files([path], "auto").texts("text")


def test_processes_may_read_at_once(write, tmp_path):
    path = write("a.tsv", "text\tlabel\n" + "".join(f"sentence {i}\t{i % 2}\n" for i in range(30_000)))
    code = (
        "import sys; from theseus_plugin.tasks.reading import read_files; "
        "texts = read_files([sys.argv[1]], 'auto').texts('text'); print(len(texts), texts[-1])"
    )
    environment = os.environ | {"HF_DATASETS_CACHE": str(tmp_path / "cache"), "HF_HUB_OFFLINE": "1"}
    processes = [
        subprocess.Popen([sys.executable, "-c", code, path], env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    assert [process.communicate()[0] for process in processes] == ["30000 sentence 29999\n"] * 3


def test_the_progress_bars_of_the_caller_stay_on(write, capfd):
    datasets.enable_progress_bars()
    read_files([write("a.tsv", "text\tlabel\nx\t1\n")], "auto")
    assert not datasets.are_progress_bars_disabled()
    assert capfd.readouterr() == ("", "")
