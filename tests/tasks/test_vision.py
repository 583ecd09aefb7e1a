import io

import datasets
import numpy as np
import pytest
from PIL import Image
from transformers import ViTImageProcessorPil

from tests.tiny import save_vit
from theseus_plugin.checkpoint import load_image_processor
from theseus_plugin.errors import UserError
from theseus_plugin.options.validation import validate
from theseus_plugin.tasks import images
from theseus_plugin.tasks.vision import ImageClassification


def classify(**options):
    return ImageClassification(validate(ImageClassification.Config, options, "task"))


def pixels(seed, size=16):
    return np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)


def png(array):
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture(scope="module")
def vit(tmp_path_factory):
    return str(save_vit(tmp_path_factory.mktemp("vit")))


@pytest.fixture
def folder(tmp_path):
    """Two images of each of two classes, by split."""
    for split, first in (("train", 0), ("validation", 10)):
        for at, name in enumerate(["cat", "dog", "dog", "cat"]):
            place = tmp_path / "images" / split / name / f"{at}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(png(pixels(first + at)))
    return tmp_path / "images"


def test_pixel_values_by_hand(folder, vit):
    """An image of the right size is scaled to 0 to 1, then to -1 to 1: this processor's mean and deviation are 0.5."""
    data = classify(data=str(folder)).load(vit, new_head=True)
    assert data.head["id2label"] == {0: "cat", 1: "dog"}
    order = {"cat": [0, 3], "dog": [1, 2]}  # by class, then by name
    for at, number in enumerate([*order["cat"], *order["dog"]]):
        example = data.splits["train"][at]
        expected = (pixels(number).transpose(2, 0, 1) / 255 - 0.5) / 0.5
        np.testing.assert_allclose(example["pixel_values"], expected, atol=1e-6)
        assert example["labels"] == at // 2
    batch = data.collate([data.splits["validation"][at] for at in (0, 3)])
    assert batch["pixel_values"].shape == (2, 3, 16, 16)
    assert batch["pixel_values"].dtype == np.float32
    assert batch["labels"].tolist() == [0, 1]


def test_other_sizes_and_grey_images_are_made_to_fit(tmp_path, vit):
    (tmp_path / "grey" / "x").mkdir(parents=True)
    (tmp_path / "grey" / "y").mkdir()
    Image.fromarray(np.full((40, 20), 51, dtype=np.uint8)).save(tmp_path / "grey" / "x" / "a.png")
    Image.fromarray(np.full((5, 5), 51, dtype=np.uint8)).save(tmp_path / "grey" / "y" / "a.png")
    data = classify(train=str(tmp_path / "grey")).load(vit, ["train"], new_head=True)
    for example in (data.splits["train"][0], data.splits["train"][1]):
        np.testing.assert_allclose(example["pixel_values"], np.full((3, 16, 16), 0.2 * 2 - 1), atol=1e-6)


def test_all_sources_give_the_same(folder, tmp_path, vit):
    expected = classify(data=str(folder)).load(vit, new_head=True)
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])})
    parts = {}
    for split, first in (("train", 0), ("validation", 10)):
        rows = {"image": [{"bytes": png(pixels(first + at)), "path": None} for at in (0, 3, 1, 2)]}
        parts[split] = datasets.Dataset.from_dict({**rows, "label": [0, 0, 1, 1]}, features=features)
    datasets.DatasetDict(parts).save_to_disk(tmp_path / "saved")
    parts["train"].to_parquet(str(tmp_path / "train.parquet"))
    plain = datasets.Dataset.from_dict({"image": [png(pixels(at)) for at in (0, 3, 1, 2)], "label": list("aabb")})
    plain.to_parquet(str(tmp_path / "bytes.parquet"))
    for options in (
        {"data": str(tmp_path / "saved")},
        {"train": str(tmp_path / "train.parquet")},
        {"train": str(tmp_path / "bytes.parquet")},
        {"train": str(folder / "train")},
    ):
        data = classify(**options).load(vit, ["train"], new_head=True)
        for at in range(4):
            one, other = data.splits["train"][at], expected.splits["train"][at]
            np.testing.assert_array_equal(one["pixel_values"], other["pixel_values"])
            assert one["labels"] == other["labels"]


def test_an_image_is_decoded_when_it_is_asked_for(folder, vit, monkeypatch):
    made = []
    right = ViTImageProcessorPil.__call__
    monkeypatch.setattr(
        ViTImageProcessorPil, "__call__", lambda self, *a, **k: (made.append(1), right(self, *a, **k))[1]
    )
    data = classify(data=str(folder)).load(vit, new_head=True)
    from theseus_plugin.training.batches import evaluation_loader, training_loader

    loader = iter(evaluation_loader(data, "validation", 2))
    training_loader(data, 2, 1, 0)
    assert len(made) <= 2  # one of each split is looked at, to see that it has no length
    seen = len(made)
    next(loader)
    assert len(made) == seen + 2
    assert len(data.splits["train"][1:3]) == 2


def test_a_trained_head_keeps_its_ids(folder, tmp_path):
    names = {"id2label": {0: "dog", 1: "cat"}, "label2id": {"dog": 0, "cat": 1}}
    checkpoint = save_vit(tmp_path / "m", **names)
    data = classify(data=str(folder)).load(str(checkpoint), ["validation"])
    assert [data.splits["validation"][at]["labels"] for at in range(4)] == [1, 1, 0, 0]


def test_errors_name_their_place(folder, tmp_path, vit, write):
    (folder / "train" / "dog" / "2.png").write_bytes(b"nonsense")
    data = classify(data=str(folder)).load(vit, ["train"], new_head=True)
    with pytest.raises(UserError, match=r"images/train, row 4: the image cannot be read"):
        data.splits["train"][3]
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"empty: no images there: put them into a folder per class"):
        classify(train=str(tmp_path / "empty")).load(vit, ["train"], new_head=True)
    table = write("t.csv", "image,label\ngone.png,a\ngone.png,b\n")
    data = classify(train=table).load(vit, ["train"], new_head=True)
    with pytest.raises(UserError, match=r"t\.csv, row 1: the image cannot be read"):
        data.splits["train"][0]
    with pytest.raises(UserError, match="no column 'img'"):
        classify(train=table, image="img").load(vit, ["train"], new_head=True)
    numbers = write("t.jsonl", '{"image": 1, "label": "a"}\n{"image": 2, "label": "b"}\n')
    with pytest.raises(UserError, match="column 'image' holds no images"):
        classify(train=numbers).load(vit, ["train"], new_head=True)


def test_a_checkpoint_without_an_image_processor(folder, checkpoint):
    with pytest.raises(UserError, match="no image processor there"):
        classify(data=str(folder)).load(checkpoint, new_head=True)
    with pytest.raises(UserError, match="no such folder"):
        load_image_processor("nowhere/to/be")


def test_stacking_needs_no_more_than_the_examples():
    batch = images.stack([{"pixel_values": np.zeros((3, 2, 2)), "labels": 4}])
    assert batch["labels"].tolist() == [4]
