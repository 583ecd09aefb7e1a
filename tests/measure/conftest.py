import pytest

from tests.tiny import save_tiny
from tests.toy_task import Sentences
from theseus_plugin.onnx.export import export


@pytest.fixture(scope="package")
def models(tmp_path_factory):
    """A folder with the checkpoints `bert` and, of one layer, `small`, and their exports `bert-onnx`, `small-onnx`."""
    folder = tmp_path_factory.mktemp("models")
    save_tiny(folder / "bert", layers=2)
    save_tiny(folder / "small", layers=1, seed=1)
    for name in ("bert", "small"):
        export(str(folder / name), str(folder / f"{name}-onnx"), Sentences())
    return folder
