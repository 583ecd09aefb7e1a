import numpy as np
import onnx
import pytest

from tests.tiny import save_tiny
from tests.toy_task import Sentences
from theseus_plugin.cores import usable_cores
from theseus_plugin.errors import UserError
from theseus_plugin.onnx import session as sessions
from theseus_plugin.onnx.export import export
from theseus_plugin.onnx.session import Session


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("session")
    save_tiny(folder / "checkpoint", layers=1)
    export(str(folder / "checkpoint"), str(folder / "onnx"), Sentences())
    return folder / "onnx/model.onnx"


def batch(shape=(2, 5)):
    return {name: np.ones(shape, dtype=np.int64) for name in ("input_ids", "token_type_ids", "attention_mask")}


def test_what_the_model_does_not_take_is_left_out(model):
    assert Session(model, threads=1).run({**batch(), "labels": np.zeros(2)}).shape == (2, 2)


def test_threads_and_spinning_are_explicit(model, monkeypatch):
    monkeypatch.setattr(sessions, "usable_cores", lambda: 2)
    narrow = Session(model)
    options = narrow._session.get_session_options()
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (2, 1)
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"
    monkeypatch.setattr(sessions, "usable_cores", lambda: 8)
    wide = Session(model, threads=3)
    options = wide._session.get_session_options()
    assert options.intra_op_num_threads == wide.threads == 3
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "1"


def test_missing_input_and_too_long_batch_are_one_line(model):
    lacking = batch()
    del lacking["token_type_ids"]
    with pytest.raises(UserError, match="'token_type_ids'"):
        Session(model, 1).run(lacking)
    with pytest.raises(UserError, match=r"shape \(1, 99\)") as caught:
        Session(model, 1).run(batch((1, 99)))
    assert "\n" not in str(caught.value)


def test_a_token_beyond_the_vocabulary_is_named(model, capfd):
    beyond = {**batch(), "input_ids": np.full((2, 5), 5000, dtype=np.int64)}
    with pytest.raises(UserError, match=r"token id 5,000 beyond its vocabulary\?$") as caught:
        Session(model, 1).run(beyond)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("dtype", "ids", "told"),
    [
        ("float16", 4097, "of float16, which cannot hold 4,097"),
        ("int8", 300, "of int8, which cannot hold 300"),
        ("float32", 4097, None),
        ("int32", 4097, None),
        ("float16", 2048, None),
        ("uint8", 255, None),
    ],
)
def test_inputs_of_other_types_hold_the_ids_or_are_refused(tmp_path, dtype, ids, told):
    kind = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Cast", ["input_ids"], ["logits"], to=onnx.TensorProto.FLOAT)],
        "g",
        [onnx.helper.make_tensor_value_info("input_ids", kind, ["batch", "length"])],
        [onnx.helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, ["batch", "length"])],
    )
    made = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(made, tmp_path / "model.onnx")
    opened, given = Session(tmp_path / "model.onnx", 1), {"input_ids": np.array([[1, ids]])}
    if told is None:
        assert opened.run(given).tolist() == [[1, ids]]
        return
    with pytest.raises(UserError, match=told):
        opened.run(given)


def test_no_onnx_file(tmp_path):
    (tmp_path / "model.onnx").write_text("nonsense")
    with pytest.raises(UserError, match="ONNX Runtime cannot open it"):
        Session(tmp_path / "model.onnx")


@pytest.mark.parametrize(
    ("limit", "cores"), [("100000 100000", 1), ("250000 100000", 2), ("10000 100000", 1), ("max 100000", 4)]
)
def test_quota_of_version_2(tmp_path, monkeypatch, limit, cores):
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: {0, 1, 2, 3})
    (tmp_path / "cpu.max").write_text(limit + "\n")
    assert usable_cores(tmp_path) == cores


@pytest.mark.parametrize(("quota", "cores"), [("200000", 2), ("-1", 4)])
def test_quota_of_version_1(tmp_path, monkeypatch, quota, cores):
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: {0, 1, 2, 3})
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu/cpu.cfs_quota_us").write_text(quota + "\n")
    (tmp_path / "cpu/cpu.cfs_period_us").write_text("100000\n")
    assert usable_cores(tmp_path) == cores
