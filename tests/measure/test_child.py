import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from tests.measure.scripted import save_onnx
from tests.patience import SECONDS, late
from theseus_plugin.errors import UserError
from theseus_plugin.measure import child as children
from theseus_plugin.measure.child import Child
from theseus_plugin.measure.models import resolve
from theseus_plugin.measure.placement import Placed
from theseus_plugin.measure.protocol import decode, encode


@pytest.fixture
def model(tmp_path):
    return resolve(str(save_onnx(tmp_path / "m")))


def start(model, threads=1, **options):
    return Child(model, "", Placed(threads=threads), **options)


def patch_worker(monkeypatch, code):
    """Let the process run `code` between its imports and its first question."""
    started = children._START.replace("import main; main()", f"import main, Worker\n{code}\nmain()")
    monkeypatch.setattr(children, "_START", started)


def alive(pid):
    return Path(f"/proc/{pid}").exists() and "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()


def test_arrays_of_every_kind_come_back_as_they_were():
    arrays = [np.arange(6).reshape(2, 3), np.float16([1.5, np.nan]), np.zeros((0, 4), np.float32), np.array(7)]
    sent = {"arrays": arrays, "text": "ä\n", "none": None, "nested": {"npy": [1, 2.5]}}
    line = encode(sent)
    assert line.count(b"\n") == 1
    back = decode(line)
    for one, other in zip(back.pop("arrays"), sent.pop("arrays"), strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    assert back == sent


def test_a_process_answers_one_question_after_the_other(model):
    with start(model) as child:
        child.receive()
        assert child.ask("open") > 0
        batch = {"input_ids": np.array([[2, 4], [1, 1]]), "attention_mask": np.ones((2, 2))}
        finite, logits, labels, width = child.ask("predict", batch=batch, labels=np.array([1, 0]))
        np.testing.assert_array_equal(logits, [[0, 3], [0, 1]])
        assert (finite.tolist(), labels.tolist(), width) == ([True, True], [1, 0], 2)
        child.ask("bind", batches=[batch])
        assert len(child.ask("burst", settle_seconds=0, which=[0], min_seconds=0, min_count=4)) == 4
        process = child._process
    assert process.returncode == -signal.SIGKILL


def test_what_libraries_print_does_not_disturb(model, monkeypatch):
    patch_worker(
        monkeypatch,
        "import os\nplain = Worker.open\n"
        "def loud(self):\n    print('hello')\n    os.system('echo hello from below')\n    return plain(self)\n"
        "import theseus_plugin.measure.worker as w\nw.QUESTIONS['open'] = loud",
    )
    with start(model) as child:
        child.receive()
        assert child.ask("open") > 0
        child._said.seek(0)
        assert child._said.read() == b"hello\nhello from below\n"


def test_a_refusal_inside_is_the_same_outside(model):
    model.file.write_bytes(b"")
    with start(model) as child, pytest.raises(UserError, match="ONNX Runtime cannot open it") as caught:
        child.receive()
        child.ask("open")
    assert "\n" not in str(caught.value)


def test_a_defect_carries_its_traceback_and_is_not_the_end(model):
    with start(model) as child:
        child.receive()
        with pytest.raises(RuntimeError, match=r"(?s)Traceback.*KeyError: 'unknown'"):
            child.ask("unknown")
        assert child.ask("open") > 0


def test_a_killed_process_is_named_with_its_signal(model):
    with start(model) as child:
        child.receive()
        os.kill(child._process.pid, signal.SIGKILL)
        for _ in range(2):
            with pytest.raises(UserError, match=r"m: its process was killed by signal 9"):
                child.ask("open")


def test_a_process_that_does_not_start_says_why(model, monkeypatch):
    monkeypatch.setattr(
        children,
        "_START",
        "import os, sys; sys.exit(' '.join([os.environ['OMP_NUM_THREADS'], os.environ['OMP_WAIT_POLICY'],"
        " str('numpy' in sys.modules)]))",
    )
    with pytest.raises(RuntimeError, match="status 1\n3 PASSIVE False"), start(model, 3, spinning=False) as child:
        child.receive()


@pytest.mark.parametrize("error", [KeyboardInterrupt, UserError])
def test_leaving_the_block_ends_the_process_even_while_it_works(model, monkeypatch, error):
    patch_worker(
        monkeypatch, "import time, theseus_plugin.measure.worker as w\nw.QUESTIONS['open'] = lambda _: time.sleep(3600)"
    )
    with pytest.raises(error), start(model) as child:
        child.receive()
        child.send("open")
        pid = child._process.pid
        raise error
    assert not alive(pid)


def test_a_process_ends_when_its_parent_is_gone(model, tmp_path):
    import subprocess
    import sys

    code = (
        "import os, sys, signal\nfrom tests.measure.test_child import start, resolve\n"
        f"child = start(resolve({model.name!r})); child.receive(); print(child._process.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    said = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], stdout=subprocess.PIPE)
    pid = int(said.stdout)
    deadline = time.monotonic() + SECONDS
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not alive(pid), late(pid)
