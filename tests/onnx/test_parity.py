import numpy as np
import pytest

from theseus_plugin.contract import TaskData
from theseus_plugin.errors import UserError
from theseus_plugin.onnx import parity


def example(length):
    return {"input_ids": list(range(length))}


def collate(batch):
    width = max(len(e["input_ids"]) for e in batch)
    return {
        "input_ids": np.array([e["input_ids"] + [0] * (width - len(e["input_ids"])) for e in batch]),
        "labels": np.zeros(len(batch)),
    }


def test_spread_takes_shortest_longest_and_between():
    examples = [example(n) for n in (9, 3, 30, 12, 21, 6, 27, 18, 15, 24)]
    assert [len(e["input_ids"]) for e in parity.spread(examples, 4)] == [3, 12, 21, 30]
    assert len(parity.spread(examples, 64)) == 10


def test_batches_hold_every_example_padded_and_some_alone():
    chosen = [example(n) for n in range(1, 21)]
    batches = parity.batches(chosen, collate)
    padded = [b["input_ids"] for b in batches if len(b["input_ids"]) > 1]
    alone = [b["input_ids"].shape[1] for b in batches if len(b["input_ids"]) == 1]
    lengths = [int((row > 0).sum()) + 1 for ids in padded for row in ids]
    assert sorted(lengths) == list(range(1, 21))
    assert all(len({int((row > 0).sum()) for row in ids}) > 1 for ids in padded)
    assert {1, 20} <= set(alone)


def share_of_right(logits, labels):
    return {"accuracy": float((logits.argmax(-1) == labels).mean())}


SCORED = TaskData({}, collate, share_of_right, "accuracy", {})


def compare(given, expected, tolerance=1e-4, labels=(1, 0)):
    against = parity.Reference(
        batches=[{}],
        logits=[np.array(expected)],
        examples=2,
        labels=[np.array(labels)],
        padded=1,
        data=SCORED,
        lengths=(1, 2),
    )
    return parity.check(lambda batch: np.array(given), against, tolerance)


def test_figures_of_a_pass():
    record = compare([[0.1, 0.5], [0.3, 0.2]], [[0.1, 0.50004], [0.30002, 0.2]])
    assert record["largest_difference"] == pytest.approx(4e-5)
    assert record["mean_difference"] == pytest.approx(1.5e-5)
    assert record["label_agreement"] == 1.0
    assert record["metric_difference"] == 0


def test_the_metric_counts_every_example_once():
    """Two padded batches with every example, then one example alone, which would count twice."""
    given = [np.array([[0.0, 1.0], [0.0, 1.0]]), np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])]
    against = parity.Reference(
        batches=[{}] * 3,
        logits=[np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])],
        examples=3,
        labels=[np.array([1, 0]), np.array([0]), np.array([1])],
        padded=2,
        data=SCORED,
        lengths=None,
    )
    answers = iter(given)
    record = parity.compare(lambda batch: next(answers), against)
    assert record["metric_difference"] == pytest.approx(2 / 3 - 1)
    assert record["lengths"] is None


def test_a_single_logit_has_no_label():
    assert compare([[0.5], [0.2]], [[0.5], [0.2]])["label_agreement"] is None


def test_failure_says_the_figures():
    with pytest.raises(UserError, match=r"up to 0\.2 .*mean 0\.05, 50\.0% equal labels, 2 examples, allowed 0\.0001"):
        compare([[0.1, 0.5], [0.4, 0.3]], [[0.1, 0.5], [0.2, 0.3]])


def test_not_a_number_fails():
    with pytest.raises(
        UserError, match=r"the ONNX model: its logits are not finite \(nan or inf\) for 1 of 1 examples"
    ):
        compare([[np.nan, 0.5]], [[0.1, 0.5]], tolerance=1e9)


@pytest.mark.parametrize("undefined", [np.nan, ValueError("one class only")])
def test_a_metric_that_few_examples_do_not_define(undefined):
    def score(logits, labels):
        if isinstance(undefined, Exception):
            raise undefined
        return {"auc": undefined}

    logits = [np.array([[0.1, 0.5]])]
    data = TaskData({}, collate, score, "auc", {})
    against = parity.Reference([{}], logits, 1, [np.array([1])], 1, data, (1, 2))
    assert parity.compare(lambda batch: logits[0], against)["metric_difference"] is None


@pytest.mark.parametrize(
    ("expected", "tolerated", "refused"),
    [
        ([[20_000.0], [25_000.0]], 0.4, 0.8),  # a regression: 1e-4 of the spread of its values, here 0.5
        ([[1e-3], [3e-3]], 1e-7, 3e-7),
        ([[20_000.0], [20_001.0]], 0.05, 0.1),  # or of a thirty-second of the largest, since fp32 has seven digits
        ([[0.1, 0.2], [3.0, -2.0]], 0.9e-4, 1.2e-4),  # classes: as they are
        ([[0.001, 0.002], [0.001, 0.0]], 0.9e-4, 1.2e-4),
    ],
)
def test_the_bound_has_the_scale_of_the_logits(expected, tolerated, refused):
    exact = np.array(expected)
    compare(exact + tolerated, expected)
    with pytest.raises(UserError, match="differs from its checkpoint"):
        compare(exact + refused, expected)


MASKED = [-np.inf, np.finfo(np.float32).min, -1e9]


@pytest.mark.parametrize("masked", MASKED)
def test_a_class_that_is_ruled_out_does_not_widen_the_bound(masked):
    expected = np.array([[0.1, 0.5, masked], [0.3, 0.2, masked]], dtype=np.float32)
    record = compare(expected + np.float32([4e-5, 0, 0]), expected)
    assert record["largest_difference"] == pytest.approx(4e-5, rel=1e-2)
    assert record["allowed"] == 1e-4
    with pytest.raises(UserError, match=r"differs from its checkpoint by up to 0\.5"):
        compare(expected + np.float32([0.5, 0, 0]), expected)


@pytest.mark.parametrize("masked", MASKED)
def test_a_class_is_ruled_out_by_both_or_differs(masked):
    expected = np.array([[0.1, 0.5, masked], [0.3, 0.2, masked]], dtype=np.float32)
    with pytest.raises(UserError, match="differs from its checkpoint"):
        compare(np.nan_to_num(expected, neginf=-1.0).clip(min=-1.0), expected)
    halved = expected.clip(min=np.finfo(np.float16).min)  # as fp16 holds it
    assert compare(halved, expected)["largest_difference"] == 0


def test_logits_of_padding_are_not_compared():
    """Some kernels fill them with NaN, which would hide every other difference."""
    expected = np.array([[[0.1, 0.5], [np.nan, np.nan]], [[0.3, 0.2], [0.4, 0.9]]])
    against = parity.Reference(
        batches=[{"attention_mask": np.array([[1, 0], [1, 1]])}],
        logits=[expected],
        examples=2,
        labels=[np.array([[1, -100], [0, 1]])],
        padded=1,
        data=TaskData({}, collate, lambda logits, labels: {"accuracy": 1.0}, "accuracy", {}),
        lengths=(1, 2),
    )
    given = expected + np.array([[[0.3, 0.0], [7.0, 7.0]], [[0.0, 0.0], [0.0, 0.0]]])
    with pytest.raises(UserError, match=r"by up to 0\.3 in the logits"):
        parity.check(lambda batch: given, against, 1e-4)
    given[0, 0, 0] = 0.1
    assert parity.check(lambda batch: given, against, 1e-4)["largest_difference"] == 0


def test_a_checkpoint_that_does_not_take_a_length_is_told_in_words():
    """As Nyströmformer, which divides its tokens into landmarks."""

    class Model:
        name_or_path = "model"

        def __call__(self, **batch):
            raise RuntimeError("shape '[-1, 4]' is invalid for input of size 26\nmore")

    with pytest.raises(
        UserError, match=r"^the checkpoint model cannot run a batch of shape \(1, 5\) \(shape .* size 26\): .*choose"
    ):
        parity.reference(Model(), [example(5)], SCORED, ["input_ids"])
