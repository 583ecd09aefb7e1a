import numpy as np
import pytest

from tests.support_models import Sentences, sentences, torch_logits
from theseus_plugin.errors import UserError
from theseus_plugin.measure.accuracy import Accuracy, AccuracyConfig


class Recording(Sentences):
    """Keeps what was scored."""

    def load(self, *arguments, **options):
        data = super().load(*arguments, **options)
        right = data.score

        def score(logits, labels):
            self.scored = logits, labels
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
    assert (record["metric"], record["examples"]) == ("accuracy", 23)
    np.testing.assert_allclose(task.scored[0], logits, atol=1e-5)
    np.testing.assert_array_equal(task.scored[1], labels)


def test_batch_size_and_order_change_nothing(models):
    texts = sentences(11)
    labels = [1, 0, 0, 1, 1, 1, 0, 1, 0, 0, 1]
    model = [str(models / "bert-onnx")]
    one = Accuracy(AccuracyConfig(batch_size=3)).evaluate(model, Sentences(texts, labels))
    other = Accuracy(AccuracyConfig(batch_size=32)).evaluate(model, Sentences(texts[::-1], labels[::-1]))
    assert one[0]["metrics"] == other[0]["metrics"]


def test_no_model(tmp_path):
    with pytest.raises(UserError, match="no such file or folder"):
        Accuracy(AccuracyConfig()).evaluate([str(tmp_path / "absent")], Sentences())


def test_a_file_that_is_not_onnx_is_the_users_to_mend(models, tmp_path):
    import shutil

    folder = shutil.copytree(models / "bert-onnx", tmp_path / "broken")
    (folder / "model.onnx").write_bytes(b"nonsense")
    with pytest.raises(UserError, match="ONNX Runtime cannot open it"):
        Accuracy(AccuracyConfig()).evaluate([str(folder)], Sentences())
