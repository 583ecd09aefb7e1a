import pytest

from tests.support_models import Sentences
from tests.tiny import save_tiny
from theseus_plugin.onnx.export import export


@pytest.fixture(scope="package")
def models(tmp_path_factory):
    """A folder with the checkpoint `bert`, its export `bert-onnx`, and a checkpoint of one layer, `small`."""
    folder = tmp_path_factory.mktemp("models")
    save_tiny(folder / "bert", layers=2)
    save_tiny(folder / "small", layers=1, seed=1)
    export(str(folder / "bert"), str(folder / "bert-onnx"), Sentences())
    return folder
