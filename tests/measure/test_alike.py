"""Examples are paired where they are the same, whatever tokens they become."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.measure.scripted import Examples, save_onnx
from tests.tiny import save_decoder, save_tiny
from theseus_plugin.errors import UserError
from theseus_plugin.measure.accuracy import Accuracy, AccuracyConfig
from theseus_plugin.measure.alike import Asked, marks, unlike
from theseus_plugin.measure.inputs import Inputs
from theseus_plugin.measure.latency import _unpaired
from theseus_plugin.measure.models import resolve
from theseus_plugin.recipe import load_recipe

pytestmark = pytest.mark.usefixtures("warm_children")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Checkpoints `bert`, `roberta`, whose tokenizer knows no whole words, and files of all kinds."""
    folder = tmp_path_factory.mktemp("alike")
    save_tiny(folder / "bert", layers=1)
    save_tiny(folder / "swapped", layers=1, id2label={0: "good", 1: "bad"}, label2id={"good": 0, "bad": 1})
    save_tiny(folder / "named", layers=1, id2label={0: "bad", 1: "good"}, label2id={"bad": 0, "good": 1})
    tags = {"id2label": {0: "O", 1: "B-X"}, "label2id": {"O": 0, "B-X": 1}}
    save_tiny(folder / "tagger", layers=1, head="TokenClassification", **tags)
    save_decoder(folder / "decoder", "gpt2", "CausalLM")
    characters(folder, "tagger", "other-tagger")
    characters(folder, "decoder", "other-decoder")
    characters(folder, "bert", "other-bert")
    (folder / "texts.csv").write_text(
        "text,label\n"
        + "".join(f"the film is {'good and dull ' * at}xyz,{('bad', 'good')[at % 2]}\n" for at in range(6))
    )
    lines = [f"good\tB-X\n{'dull'}\tO\n" + "film\tO\n" * at for at in range(4)]
    (folder / "words.conll").write_text("\n".join(lines))
    return folder


def characters(folder, source, target):
    """A copy of a checkpoint whose tokenizer cuts every word into characters."""
    import json
    import shutil

    shutil.copytree(folder / source, folder / target)
    file = folder / target / "tokenizer.json"
    tokenizer = json.loads(file.read_text())
    vocabulary = tokenizer["model"]["vocab"]
    for word in ("good", "film", "dull", "the", "is", "and"):
        vocabulary[f"no-{word}"] = vocabulary.pop(word)
    file.write_text(json.dumps(tokenizer))


def asked(home, checkpoint, name, **options):
    options = {"train": "texts.csv", "validation": "texts.csv", "text": "text"} | options
    for key in ("train", "validation"):
        options[key] = str(home / options[key])
    if name == "token-classification":
        del options["text"]
    task = load_recipe({"task": {"name": name, **options}}).create_task()
    data = task.load(str(home / checkpoint), splits=("validation",))
    batch = data.collate(data.splits["validation"])
    return Asked(marks(batch, batch.pop("labels"), data), data.texts.get("validation")), data


def why(home, name, one, other, others=None, **options):
    first, _ = asked(home, one, name, **options)
    second, _ = asked(home, other, name, **{**options, **(others or {})})
    assert unlike(first, first) is None
    return unlike(first, second)


def test_rows_of_a_classifier_are_the_same_however_they_are_cut(home):
    assert why(home, "text-classification", "named", "swapped") is None
    assert why(home, "text-classification", "named", "named", {"max_length": 8}) is None
    integers = home / "integers.csv"
    integers.write_text((home / "texts.csv").read_text().replace(",bad", ",0").replace(",good", ",1"))
    of_integers = {"train": "integers.csv", "validation": "integers.csv"}
    assert why(home, "text-classification", "bert", "other-bert", **of_integers) is None
    assert why(home, "text-classification", "bert", "named", **of_integers) is None


def test_other_rows_of_a_classifier_are_told(home):
    (home / "changed.csv").write_text((home / "texts.csv").read_text().replace("the film is xyz", "a film"))
    changed = {"validation": "changed.csv"}
    assert why(home, "text-classification", "named", "named", changed) == "other texts in 1 of 6 examples"
    (home / "fewer.csv").write_text("".join((home / "texts.csv").read_text().splitlines(True)[:5]))
    assert why(home, "text-classification", "named", "named", {"validation": "fewer.csv"}) == "4 examples, not 6"
    (home / "labels.csv").write_text((home / "texts.csv").read_text().replace("xyz,bad", "xyz,good", 1))
    labels = {"validation": "labels.csv"}
    assert why(home, "text-classification", "named", "named", labels) == "other tokens or labels in 1 of 6 examples"


def test_blocks_of_tokens_are_examples_only_if_they_are_the_same(home):
    assert why(home, "causal-lm", "decoder", "decoder") is None
    shorter = why(home, "causal-lm", "decoder", "decoder", {"max_length": 10})
    assert shorter.endswith("examples, not 6")
    assert why(home, "causal-lm", "decoder", "other-decoder") is not None
    same_count = why(home, "causal-lm", "decoder", "other-decoder", max_length=64)
    assert same_count == "other tokens or labels in 6 of 6 examples"


def test_hidden_tokens_are_those_of_one_tokenizer(home):
    assert why(home, "masked-lm", "bert", "named") is None
    assert "other tokens or labels" in why(home, "masked-lm", "bert", "other-bert")
    assert "other tokens or labels" in why(home, "masked-lm", "bert", "bert", {"max_length": 8})


def test_sentences_are_the_same_as_long_as_all_words_are_there(home):
    words = {"train": "words.conll", "validation": "words.conll"}
    assert why(home, "token-classification", "tagger", "other-tagger", **words) is None
    cut = why(home, "token-classification", "tagger", "other-tagger", max_length=12, **words)
    assert cut == "other tokens or labels in 2 of 4 examples"


class PerModel(Examples):
    """A task that has more examples for the model `more`."""

    def load(self, checkpoint, *arguments, **options):
        return Examples(count=12 if checkpoint.endswith("more") else 9).load(checkpoint)


def test_no_difference_is_said_of_unlike_examples(tmp_path):
    names = [str(save_onnx(tmp_path / name)) for name in ("one", "more")]
    first, other = Accuracy(AccuracyConfig()).evaluate(names, PerModel())
    assert other["difference"] == {}
    assert other["unpaired"] == "12 examples, not 9"
    assert "unpaired" not in first
    assert first["difference"]["accuracy"]["interval"] == [0, 0]


def test_nothing_is_concluded_from_unlike_examples():
    from tests.report.records import two
    from theseus_plugin.report.summary import summary_of

    records = two()
    assert "Deploy" in summary_of(records).recommendation
    records[1]["accuracy"] |= {"difference": {}, "unpaired": "12 examples, not 9"}
    summary = summary_of(records)
    assert summary.recommendation is None
    assert "on other examples, so not compared (12 examples, not 9)" in summary.findings[0]
    assert "scored on other examples than the first model (12 examples, not 9)" in summary.warnings[0]


def test_unlike_examples_are_not_timed_against_each_other(home, tmp_path):
    models = [resolve(str(save_onnx(tmp_path / name))) for name in ("one", "more")]
    inputs = [Inputs.of(PerModel(), model) for model in models]
    assert _unpaired(models, inputs, ["1x4"], [0, 1]) == [None, "12 examples, not 9"]
    assert _unpaired(models, inputs, ["1x4"], []) == [None, None]
    with pytest.raises(UserError, match=r"more: shape 2 is made of examples, .* of .*one \(12 examples, not 9\)"):
        _unpaired(models, inputs, ["1x4", "2"], [])
    _, cut = asked(home, "decoder", "causal-lm", max_length=10)
    _, whole = asked(home, "decoder", "causal-lm")
    assert Inputs(cut).unlike(Inputs(whole), [0]) is not None
    assert Inputs(whole).unlike(Inputs(whole), [0, 5]) is None


def test_the_same_texts_are_timed_whatever_their_tokens(home):
    _, ours = asked(home, "bert", "masked-lm")
    _, theirs = asked(home, "other-bert", "masked-lm")
    assert Inputs(theirs).unlike(Inputs(ours), [0, 3]) is None
    moved = replace(theirs, texts={"validation": theirs.texts["validation"][::-1]})
    assert "other texts" in Inputs(moved).unlike(Inputs(ours), [0, 3])


def test_labels_of_any_kind_are_compared():
    data = Examples().load("")
    data = replace(data, head={})

    def of(labels):
        return Asked(marks({}, np.array(labels), data), None)

    assert unlike(of([0.5, 1.5]), of([0.5, 1.5])) is None
    assert unlike(of([0.5, 1.5]), of([0.5, 1.25])) == "other tokens or labels in 1 of 2 examples"
    assert unlike(of([[0, 1], [1, 1]]), of([[0, 1], [1, 0]])) == "other tokens or labels in 1 of 2 examples"
