"""The committed records and the command of the benchmarks."""

import json
import runpy
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

from benchmarks import __main__ as command
from benchmarks.records import NotRecorded, Records, parts_of, write_record
from benchmarks.successors import forget_others, subject
from benchmarks.suite import answer, parser


def measured(cores: int, task: str, date: str) -> dict[str, Any]:
    """A record as `fit` gives it, with what machines and recipes hold cut short."""
    versions = {"torch": "2.13.0"}
    machine = {"cpu": "a", "cpu_flags": [], "cores": cores, "system": "b", "python": "3.11.7", "versions": versions}
    return {
        "recipe": {"task": {"name": task, "labels": None}, "fit": {"learning_rate": 5e-05, "task": "no section"}},
        "rows": [{"environment": {**machine, "date": date, "seed": 1}, "seconds": 0.1 + 0.2}],
        "answers": "1 0 1",
    }


@pytest.mark.usefixtures("own_records")
def test_collected_records_are_what_they_were_and_name_what_they_share(tmp_path: Path) -> None:
    written = {f"MRPC/3-kd@0.0002-{seed}": measured(seed % 2, "a task", f"day {seed}") for seed in (2, 3, 1)}
    for key, record in written.items():
        Records("suite/part").put(key, record)
    assert dict(Records("suite/part")) == written
    Records("suite/part").collect()
    assert not list((tmp_path / "new").rglob("*.json"))
    found = Records("suite/part")
    assert list(found) == sorted(written)
    assert {key: json.dumps(record) for key, record in found.items()} == {  # the order within a record, too
        key: json.dumps(record) for key, record in written.items()
    }
    head, *lines = (tmp_path / "results/suite/part.jsonl").read_text().splitlines()
    assert [json.loads(line)["key"] for line in lines] == sorted(written)
    assert [len(json.loads(head)[part]) for part in ("machines", "tasks")] == [2, 1]
    assert not [line for line in lines if "a task" in line or "torch" in line]
    assert [part.name for part in parts_of("suite")] == ["suite/part"]


@pytest.mark.usefixtures("own_records")
def test_a_new_record_counts_before_the_committed_one_and_is_collected() -> None:
    found = Records("suite")
    found.put("old", {"value": 1})
    found.put("both", {"value": 1})
    found.collect()
    found.put("both", {"value": 2})
    found.put("new", {"value": 2})
    expected = {"both": {"value": 2}, "new": {"value": 2}, "old": {"value": 1}}
    assert dict(found) == expected
    found.collect()
    assert dict(Records("suite")) == expected
    assert "other" not in found
    with pytest.raises(NotRecorded, match=r"^suite: other is not recorded yet: python -m benchmarks suite$"):
        found["other"]


@pytest.mark.parametrize("suite", command.SUITES)
def test_a_suite_is_reached_by_the_one_command_and_by_its_own(
    suite: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    helps = []
    for module, given in ((["benchmarks"], [suite, "--help"]), (["benchmarks", suite], ["--help"])):
        monkeypatch.setattr(sys, "argv", ["python", *given])
        with pytest.raises(SystemExit, match=r"^0$"), warnings.catch_warnings(action="ignore"):
            runpy.run_module(".".join(module), run_name="__main__")
        helps.append(capsys.readouterr().out)
    assert helps[0] == helps[1]
    assert helps[0].startswith(f"usage: python -m benchmarks {suite} ")
    assert "--check" in helps[0]
    assert "--write" in helps[0]


def test_the_command_alone_lists_the_suites(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["python"])
    with pytest.raises(SystemExit, match=r"^0$"):
        command.main()
    listed = capsys.readouterr().out.partition("suites:\n")[2].partition("\n\n")[0]
    assert [line.split()[0] for line in listed.splitlines()] == list(command.SUITES)


@pytest.mark.usefixtures("own_records")
def test_check_measures_nothing_and_fails_on_a_missed_target_and_write_collects(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, measured_again = Records("suite"), []
    found.put("a", {})

    def end(*given: str, whole: bool) -> int | str | None:
        monkeypatch.setattr(sys, "argv", ["python", *given])
        with pytest.raises(SystemExit) as ended:
            answer(parser("suite", ""), measured_again.append, lambda: [found], lambda: whole)
            sys.exit(0)
        return ended.value.code

    assert end("--check", whole=True) == 0
    assert end("--check", whole=False) == 1
    assert not measured_again
    assert not (tmp_path / "results").exists()
    assert end("--write", whole=False) == 0
    assert not measured_again
    assert (tmp_path / "results/suite.jsonl").exists()
    assert end(whole=False) == 0
    assert len(measured_again) == 1


def test_a_record_does_not_hold_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_record(tmp_path / "a" / "record.json", {"model": f"{Path.cwd()}/runs/model"})
    assert json.loads((tmp_path / "a" / "record.json").read_text()) == {"model": "runs/model"}


@pytest.mark.usefixtures("own_records")
def test_records_of_other_checkpoints_are_not_taken_for_those_of_these(tmp_path: Path) -> None:
    checkpoints, found = [tmp_path / "predecessor", tmp_path / "successor"], Records("successors/demo")
    for checkpoint in checkpoints:
        checkpoint.mkdir()
        (checkpoint / "model.safetensors").write_bytes(checkpoint.name.encode())
        (checkpoint / "config.json").write_text("{}")
    found.put("1x16", {})
    found.collect()
    forget_others(found, subject(checkpoints))
    assert list(found) == ["subject"]  # nobody knows what the other was of
    found.put("1x16", {})
    found.collect()
    forget_others(found, subject(checkpoints))
    assert list(found) == ["1x16", "subject"]  # an interrupted run goes on
    (checkpoints[1] / "model.safetensors").write_bytes(b"trained anew")
    forget_others(found, subject(checkpoints))
    assert list(found) == ["subject"]
