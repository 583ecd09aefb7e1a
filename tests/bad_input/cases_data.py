"""Examples that are missing something, or hold what is no text, label, tag or image."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from tests.bad_input.driver import Case
from tests.bad_input.examples import GOOD, Prepare, csv, file, jsonl, recipe, tagged
from tests.bad_input.world import World


def _labels(*labels: object, **task: object) -> Prepare:
    return jsonl(*({"text": "a film", "label": label} for label in labels), **task)


def _tags(*tags: object) -> Prepare:
    rows = [{"words": ["a"] * len(ours), "tags": ours} for ours in tags if isinstance(ours, list)]
    return tagged("train.jsonl", "".join(json.dumps(row) + "\n" for row in rows), metrics=["accuracy"])


def _saved(features: Callable[[], object], rows: dict[str, list[object]], **task: object) -> Prepare:
    """A folder saved by `datasets`, from memory as it is: encoding checks ids."""

    def prepare(w: World) -> list[str]:
        import datasets

        datasets.disable_progress_bars()
        columns = datasets.Dataset.from_dict(rows)
        part = columns.cast(features())  # type: ignore[arg-type]
        datasets.DatasetDict({"train": part, "validation": part}).save_to_disk("saved")
        return ["fit", recipe(w, {"data": "saved", **task})]

    return prepare


def _classes(several: bool) -> Callable[[], object]:
    def features() -> object:
        import datasets

        label: object = datasets.ClassLabel(names=["O", "B-X"])
        return datasets.Features(
            {"text": datasets.Value("string"), "label": datasets.List(label) if several else label}
        )

    return features


def _id_tags(*tags: int) -> Prepare:
    def features() -> object:
        import datasets

        tag = datasets.ClassLabel(names=["O", "B-X"])
        return datasets.Features({"words": datasets.List(datasets.Value("string")), "tags": datasets.List(tag)})

    rows: dict[str, list[object]] = {"words": [["a"] * len(tags)], "tags": [list(tags)]}
    return _saved(features, rows, name="token-classification")


def _gpt2(content: str, **task: object) -> Prepare:
    """With a tokenizer that adds no token of its own."""

    def prepare(w: World) -> list[str]:
        from transformers.utils.logging import disable_progress_bar

        from tests.tiny import save_decoder

        disable_progress_bar()
        save_decoder("gpt2", "gpt2", "SequenceClassification")
        train = w.write("train.jsonl", content)
        given = {"name": "text-classification", "train": train, "validation": train, "text": "text"} | task
        return ["fit", recipe(w, given, model="gpt2")]

    return prepare


def _images(image: Callable[[Path], object]) -> Prepare:
    def prepare(w: World) -> list[str]:
        from transformers.utils.logging import disable_progress_bar

        from tests.tiny import save_vit

        disable_progress_bar()
        save_vit("vit")
        for name in ("images/a/1.png", "images/b/1.png"):
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            image(Path(name))
        task: dict[str, object] = {"name": "image-classification", "train": "images", "validation": "images"}
        return ["fit", recipe(w, task, model="vit")]

    return prepare


def _fractions(path: Path) -> None:
    import numpy as np
    from PIL import Image

    Image.fromarray(np.full((16, 16), 0.5, dtype=np.float32)).save(path, "TIFF")


def _multi_label(w: World) -> list[str]:
    folder = w.copy()
    w.edit(
        folder / "config.json",
        problem_type="multi_label_classification",
        id2label={"0": "a"},
        label2id={"a": 0},
    )
    return ["compress", w.recipe(predecessor=str(folder), task={"name": "text-regression"})]


REGRESSION = {"name": "text-regression"}

CASES = [
    Case("asks for a column that is not there", csv("words,label\na,1\nb,0\n"), ("train.csv", "text")),
    Case("gives an empty file", csv(""), ("train.csv",)),
    # what is missing
    Case("leaves a label empty in CSV", csv("text,label\na,1\nb,\nc,0\n"), ("train.csv, row 2: no label", "drop")),
    Case("leaves a label blank in CSV", csv("text,label\na,1\nb,  \nc,0\n"), ("train.csv, row 2: no label",)),
    Case("quotes an empty label in CSV", csv('text,label\na,1\nb,""\nc,0\n'), ("train.csv, row 2: no label",)),
    Case("gives a CSV row too few cells", csv("text,label\na,1\nb\nc,0\n"), ("train.csv, row 2: no label",)),
    Case("cuts a CSV row before its text", csv("label,text\n1,a\n0\n"), ("train.csv, row 2", "None", "not text")),
    Case("leaves a label empty in TSV", file("t.tsv", "text\tlabel\na\t1\nb\t\n"), ("t.tsv, row 2: no label",)),
    Case("gives a TSV row too few cells", file("t.tsv", "text\tlabel\na\t1\nb\n"), ("t.tsv, row 2: no label",)),
    Case("leaves a label empty in JSON Lines", _labels("x", "", "y"), ("train.jsonl, row 2: no label",)),
    Case("gives a label of a non-breaking space", _labels("x", "\u00a0", "y"), ("train.jsonl, row 2: no label",)),
    Case("gives the label null", _labels("x", None, "y"), ("train.jsonl, row 2: no label",)),
    Case("gives the label NaN", _labels(1.0, float("nan")), ("train.jsonl, row 2: no label",)),
    Case("gives an infinite label", _labels(1.0, float("inf")), ("train.jsonl, row 2: no label",)),
    Case(
        "forgets the label of a row of JSON Lines", jsonl({"text": "a", "label": 1}, {"text": "b"}), ("row 2: no lab",)
    ),
    Case("forgets the text of a row of JSON Lines", jsonl({"text": "a", "label": 1}, {"label": 0}), ("row 2", "None")),
    Case("leaves a target empty in CSV", csv("text,label\na,1\nb,\n", **REGRESSION), ("row 2", "finite number")),
    Case("gives a target of blanks", _labels(1, " ", **REGRESSION), ("row 2", "finite number")),
    Case("gives a target in words", _labels(1, "high", **REGRESSION), ("row 2", "'high'", "finite number")),
    Case("gives the target NaN", _labels(1, float("nan"), **REGRESSION), ("row 2", "nan", "finite number")),
    Case("gives a target with a separator of thousands", _labels(1, "1_000", **REGRESSION), ("row 2", "1_000")),
    Case("gives a list as a target", _labels(1, [2, 3], **REGRESSION), ("row 2", "[2, 3]", "finite number")),
    Case("gives a tag null", _tags(["O", "B-X"], ["O", None]), ("train.jsonl, row 2: no tag",)),
    Case("gives an empty tag", _tags(["O", "B-X"], ["", "O"]), ("train.jsonl, row 2: no tag",)),
    Case("gives a tag NaN", _tags([0, 1], [float("nan"), 1]), ("train.jsonl, row 2: no tag",)),
    Case("ends a CoNLL line after its tab", tagged("t.conll", "a\tO\nb\t\nc\tB-X\n"), ("t.conll, line 2", "no tag")),
    Case("begins a CoNLL line with its tab", tagged("t.conll", "a\tO\n\tB-X\n"), ("t.conll, line 2", "no word")),
    Case("gives a word alone in CoNLL", tagged("t.conll", "a O\nb\n"), ("t.conll, line 2", "no tag", "WORD<tab>TAG")),
    Case("puts a next-line character for a space in CoNLL", tagged("t.conll", "a\x85O\nb B-X\n"), ("line 1", "no tag")),
    Case("puts a non-breaking space before a tag", tagged("t.conll", "a O\nb\u00a0B-X\n"), ("line 2", "no tag")),
    Case("gives blanks before some labels", csv("text,label\na, pos\nb,neg\nc,pos\n"), ("row 3", "in blanks only")),
    Case("gives blanks behind some tags", _tags(["O", "B-X"], ["O ", "B-X"]), ("row 2", "'O '", "in blanks only")),
    # lists, and other things that are no label
    Case("gives lists as labels", _labels([0, 1], [1]), ("train.jsonl, row 1", "[0, 1]", "not supported yet")),
    Case("gives lists of texts as labels", _labels(["a"], ["b"]), ("row 1", "['a']", "not supported yet")),
    Case("gives objects as labels", _labels({"a": 1}, {"b": 1}), ("row 1", "{'a': 1}", "not supported yet")),
    Case("gives a list as one of many labels", _labels("x", "y", ["x", "y"]), ("row 3", "not supported yet")),
    Case(
        "gives a column of lists of classes",
        _saved(_classes(True), {"text": ["a", "b"], "label": [[0, 1], [1]]}, name="text-classification", text="text"),
        ("saved, split 'train', row 1", "not supported yet"),
    ),
    Case(
        "gives an empty list of classes",
        _saved(_classes(True), {"text": ["a", "b"], "label": [[], [1]]}, name="text-classification", text="text"),
        ("saved, split 'train', row 1", "not supported yet"),
    ),
    Case("gives lists as tags", _tags([["O"], ["B-X", "O"]]), ("row 1", "tag ['O']", "not supported yet")),
    Case("gives objects as tags", _tags(["O", {"B": 1}]), ("row 1", "tag {'B': 1}", "not supported yet")),
    Case("takes a multi-label head for a regression", _multi_label, ("multi_label", "not supported yet")),
    # ids
    Case("hides tags as -1", _id_tags(0, -1, 1), ("saved, split 'train', row 1", "tag '-1' is not one of the 2")),
    Case("hides tags as -100", _id_tags(0, -100, 1), ("saved, split 'train', row 1", "tag '-100' is not one of the 2")),
    Case("gives the id of a tag beyond the names", _id_tags(0, 2), ("saved, split 'train', row 1", "tag '2'")),
    Case(
        "hides labels as -1",
        _saved(
            _classes(False), {"text": ["a", "b", "c"], "label": [0, 1, -1]}, name="text-classification", text="text"
        ),
        ("saved, split 'train', row 3", "label '-1' is not one of the 2"),
    ),
    Case("gives one class only", _labels("x", "x"), ("holds only the label 'x'", "two are needed")),
    # options
    Case("names the label's column as the text", csv(GOOD, text="label"), ("`text` and `label`", "'label'")),
    Case("names one column twice for a pair", csv(GOOD, text=["text", "text"]), ("'text'", "twice")),
    Case("names the words' column as the tags", tagged("t.conll", "a\tO\n", tags="words"), ("`words` and `tags`",)),
    # what is read has no token
    Case(
        "classifies nothing with GPT-2", _gpt2('{"text":"a","label":1}\n{"text":"","label":0}\n'), ("row 2", "no token")
    ),
    Case("classifies a zero-width space", _gpt2('{"text":"\u200b","label":1}\n{"text":"a","label":0}\n'), ("row 1",)),
    Case(
        "predicts a number of nothing with GPT-2",
        _gpt2('{"text":"","label":1}\n{"text":"a","label":0}\n', **REGRESSION),
        ("train.jsonl, row 1", "no token"),
    ),
    # images
    Case("gives images of fractions", _images(_fractions), ("row 1", "fractions"), begun=True),
    Case("gives images that are none", _images(lambda path: path.write_bytes(b"x")), ("row 1", "image"), begun=True),
]
