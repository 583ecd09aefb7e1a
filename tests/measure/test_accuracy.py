import numpy as np
import pytest

from tests.measure.scripted import Examples, save_onnx
from tests.random_models import torch_logits
from tests.toy_data import sentences
from tests.toy_task import Sentences
from theseus_plugin.errors import UserError
from theseus_plugin.measure.accuracy import Accuracy, AccuracyConfig


class Recording(Sentences):
    """Keeps what was scored first: the whole, before it is resampled."""

    def load(self, *arguments, **options):
        data = super().load(*arguments, **options)
        right = data.score
        self.scored = []

        def score(logits, labels):
            self.scored.append((logits, labels))
            return right(logits, labels)

        object.__setattr__(data, "score", score)
        return data


@pytest.mark.parametrize("name", ["bert-onnx", "bert"])
def test_accuracy_is_that_of_the_stock_model_in_the_order_of_the_data(models, name):
    texts = sentences(23)
    logits = torch_logits(models / "bert", texts)
    labels = logits.argmax(-1)
    labels[[1, 5, 6, 20]] = 1 - labels[[1, 5, 6, 20]]
    task = Recording(texts, labels.tolist())
    [record] = Accuracy(AccuracyConfig(batch_size=4, threads=1)).evaluate([str(models / name)], task)
    assert record["metrics"] == {"accuracy": pytest.approx(19 / 23)}
    low, high = record["intervals"]["accuracy"]
    assert 0.6 < low < 19 / 23 < high <= 1
    assert record["difference"] == {"accuracy": {"value": 0, "interval": [0, 0]}}
    assert (record["metric"], record["examples"]) == ("accuracy", 23)
    assert (record["device"], record["threads"]) == ("cpu", 1)
    unresampled = [one for one in task.scored if np.allclose(one[0], logits, atol=1e-5)]
    assert len(unresampled) == 1
    np.testing.assert_array_equal(unresampled[0][1], labels)


def test_batch_size_and_order_change_nothing(models):
    texts = sentences(11)
    labels = [1, 0, 0, 1, 1, 1, 0, 1, 0, 0, 1]
    model = [str(models / "bert-onnx")]
    one = Accuracy(AccuracyConfig(batch_size=3)).evaluate(model, Sentences(texts, labels))
    other = Accuracy(AccuracyConfig(batch_size=32)).evaluate(model, Sentences(texts[::-1], labels[::-1]))
    assert one[0]["metrics"] == other[0]["metrics"]


def test_the_difference_is_from_the_first_model(tmp_path):
    # the last logit is always the largest
    always_one = str(save_onnx(tmp_path / "one"))
    always_two = str(save_onnx(tmp_path / "two", labels=3))

    class Free(Examples):
        def load(self, *arguments, **options):
            data = super().load(*arguments, **options)
            object.__setattr__(data, "head", {})
            return data

    first, other = Accuracy(AccuracyConfig()).evaluate([always_one, always_two], Free(count=40))
    assert (first["metrics"]["accuracy"], other["metrics"]["accuracy"]) == (0.5, 0)
    difference = other["difference"]["accuracy"]
    assert difference["value"] == -0.5
    low, high = first["intervals"]["accuracy"]
    assert difference["interval"] == pytest.approx([-high, -low])


def test_images_have_no_length_to_sort_by(tmp_path):
    name = str(save_onnx(tmp_path / "m", inputs=["pixel_values"]))
    [record] = Accuracy(AccuracyConfig(batch_size=4)).evaluate([name], Examples(images=True, count=10))
    assert record["metrics"] == {"accuracy": pytest.approx(0.6)}  # 0 for the image of zeros, 1 for the others


def refused(folder, task, **options):
    with pytest.raises(UserError) as caught:
        Accuracy(AccuracyConfig(**options)).evaluate([str(folder)], task)
    assert "\n" not in str(caught.value)
    assert folder.name in str(caught.value)
    return str(caught.value)


def test_what_does_not_fit_is_one_clear_line(tmp_path):
    assert "no such file or folder" in refused(tmp_path / "absent", Examples())
    head = save_onnx(tmp_path / "head", labels=3)
    assert "its head gives 3 logits, the task has 2 labels" in refused(head, Examples())
    wants = save_onnx(tmp_path / "wants", inputs=["input_ids", "attention_mask", "visual_embeds"])
    assert "wants 'visual_embeds', which its tokenizer does not produce" in refused(wants, Examples())
    other = save_onnx(tmp_path / "other", output="last_hidden_state")
    assert "no output 'logits', only last_hidden_state" in refused(other, Examples())
    maskless = save_onnx(tmp_path / "maskless", inputs=["input_ids"])
    assert "takes no 'attention_mask', so padding would change its logits" in refused(maskless, Examples())
    assert Accuracy(AccuracyConfig(batch_size=1)).evaluate([str(maskless)], Examples())
    empty = save_onnx(tmp_path / "empty")
    (empty / "model.onnx").write_bytes(b"")
    assert "cannot be read as ONNX, it holds no graph" in refused(empty, Examples())
    (empty / "model.onnx").write_bytes(b"nonsense")
    assert "cannot be read as ONNX" in refused(empty, Examples())
