"""The comparison on GLUE: the run of a cell from data to record, and which cells are run."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from benchmarks import records
from benchmarks.glue import cell as cells
from benchmarks.glue import presets, runner, scores, tasks
from benchmarks.glue.grid import Cell
from tests.glue_records import write_cell, write_predecessor
from tests.tiny import save_tiny
from theseus_plugin import load_recipe
from theseus_plugin.tuning.space import search_space


def test_a_sample_is_drawn_once_and_a_header_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "GLUE", tmp_path / "glue")
    monkeypatch.setattr(tasks, "HOME", tmp_path / "home")
    for name in ("SST-2", "CoLA"):
        (tmp_path / "glue" / name).mkdir(parents=True)
    rows = [f"text {number}\t{number % 2}" for number in range(50)]
    (tmp_path / "glue/SST-2/train.tsv").write_text("\n".join(["sentence\tlabel", *rows]) + "\n")
    few = tasks.GlueTask("SST-2", "sentence", "label", ["accuracy"], 10, sample=20)
    drawn = Path(few.section()["train"]).read_text().splitlines()
    assert drawn[0] == "sentence\tlabel"
    assert len(set(drawn[1:])) == 20
    assert set(drawn[1:]) < set(rows)
    Path(few.section()["train"]).unlink()
    assert Path(few.section()["train"]).read_text().splitlines() == drawn
    assert few.section()["validation"] == str(tmp_path / "glue/SST-2/dev.tsv")
    for part in ("train", "dev"):
        (tmp_path / f"glue/CoLA/{part}.tsv").write_text("gj04\t1\t\tA sentence.\n")
    section = tasks.TASKS["CoLA"].section()
    for part in ("train", "validation"):
        assert Path(section[part]).read_text() == "source\tlabel\tstar\tsentence\ngj04\t1\t\tA sentence.\n"


@pytest.fixture
def rte(own_records: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A toy task in the place of RTE, a tiny model, and a folder for what is made of them."""
    folder = tmp_path / "glue" / "RTE"
    folder.mkdir(parents=True)
    kinds = [("bad", "not_entailment"), ("good", "entailment")]
    for name, count in (("train.tsv", 20), ("dev.tsv", 12)):
        rows = [f"{i}\ta film\tit is {word}\t{label}" for i, (word, label) in enumerate(kinds * count)]
        (folder / name).write_text("\n".join(["index\tsentence1\tsentence2\tlabel", *rows]) + "\n")
    home = tmp_path / "home"
    for module in (tasks, cells, runner, presets):
        monkeypatch.setattr(module, "HOME", home)
    monkeypatch.setattr(tasks, "GLUE", tmp_path / "glue")
    monkeypatch.setitem(tasks.TASKS, "RTE", replace(tasks.TASKS["RTE"], steps=40))
    monkeypatch.setattr(cells, "MODEL", str(save_tiny(tmp_path / "model")))
    return home


def test_a_cell_from_data_to_record(rte: Path) -> None:
    runner.PREDECESSORS.put("RTE", cells.fit_predecessor(tasks.TASKS["RTE"]))
    cell = Cell("main", "RTE", 3, "theseus", 1e-3, 2)
    record = cells.run(cell)
    runner.records_of(cell).put(cell.name, record)
    assert record["training"]["phases"][0]["name"] == "replacing"
    assert sum(phase["steps"] for phase in record["training"]["phases"]) == tasks.TASKS["RTE"].steps
    assert scores.score(cell) == pytest.approx(record["after"]["accuracy"])  # though it was computed apart
    assert not list((rte / "cells").rglob("*.safetensors"))
    assert list(runner.recorded()) == [cell]


def test_a_longer_run_takes_more_steps(rte: Path) -> None:
    cells.fit_predecessor(tasks.TASKS["RTE"])
    training = cells.run(Cell("longer", "RTE", 3, "truncation", 1e-3, 1))["training"]
    assert [phase["steps"] for phase in training["phases"]] == [3 * tasks.TASKS["RTE"].steps]
    assert len(training["evaluations"]) == cells.EVALUATIONS


def test_the_pretrained_encoders_own_blocks_are_fine_tuned(rte: Path) -> None:
    record = cells.run(Cell("transfer", "RTE", 3, "pretrained", 1e-3, 1))
    assert record["recipe"]["fit"]["learning_rate"] == 1e-3
    weights = load_file(rte / "pretrained-3" / "model.safetensors")
    whole = load_file(Path(cells.MODEL) / "model.safetensors")
    name = "encoder.layer.2.output.dense.weight"
    assert np.array_equal(weights[name], whole[f"bert.{name}"])
    assert not [name for name in weights if "layer.3" in name]


def test_models_that_are_gone_are_made_anew_before_what_needs_them(rte: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clone has records and no models: predecessors come first, and only those of tasks that are still to be run."""
    ran: list[str] = []
    monkeypatch.setattr(runner, "_run_one", lambda what, file: ran.append(str(file.relative_to(records.NEW / "glue"))))
    done, cell = (Cell("main", task, 3, "theseus", 1e-3, 1) for task in ("MRPC", "RTE"))
    write_predecessor("RTE", [1], [1])
    write_cell(done, [1])
    runner.run_cells([done, cell], 1)
    assert ran == ["predecessors/RTE.json", f"{cell.key}.json"]
    ran.clear()
    transfer = replace(cell, suite="transfer")
    runner.run_cells([transfer], 1)
    assert ran == [f"{transfer.key}.json"]  # it starts from another model
    ran.clear()
    tasks.TASKS["RTE"].predecessor.mkdir(parents=True)
    write_cell(cell, [1])
    runner.run_cells([cell], 1)
    assert ran == []
    runner.run_models([cell], 1)
    assert ran == [f"{cell.key}.json"]
    ran.clear()
    runner.folder_of(cell).mkdir(parents=True)
    runner.run_models([cell], 1)
    assert ran == []


def test_a_preset_is_searched_and_told(rte: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    recipe = tmp_path / "rte.yaml"
    method = {"name": "theseus", "successor_blocks": 3, "training": {"max_steps": 4, "learning_rate": 1e-3}}
    section = tasks.TASKS["RTE"].section() | {"train": "not/there.tsv"}  # the comparison's data is taken instead
    recipe.write_text(json.dumps({"predecessor": "a", "successor": "b", "task": section, "method": method}))
    monkeypatch.setattr(presets, "RECIPES", {"RTE": recipe})
    monkeypatch.setattr(presets, "TRIALS", 2)
    cells.fit_predecessor(tasks.TASKS["RTE"])
    presets.search(["MRPC", "RTE"], 1)
    record = runner.PRESETS["RTE"]
    assert record["trials"][0]["values"]["training.learning_rate"] == 1e-3
    scores = [100 * trial["score"] for trial in record["trials"]]
    [_, row] = presets.table(["MRPC", "RTE"])
    assert row[1:4] == ["accuracy", f"{scores[0]:.2f}", f"{max(scores):.2f}"]
    assert row[4] == f"2: {min(scores):.2f} to {max(scores):.2f}"
    before = runner.PRESETS.new_file("RTE").stat().st_mtime_ns
    presets.search(["RTE"], 1)
    assert runner.PRESETS.new_file("RTE").stat().st_mtime_ns == before


@pytest.mark.parametrize("task", presets.RECIPES)
def test_an_example_has_the_values_that_were_found(task: str) -> None:
    found = runner.PRESETS[task]["best"]["values"]
    _, own = search_space(load_recipe(presets.RECIPES[task]).method or {}, {})
    assert own == found


def test_a_cell_that_fails_ends_the_run_and_says_where_to_look(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"status 1: see .*cell\.log"):
        runner.run_one({"task": "no such"}, tmp_path / "cell.json", tmp_path / "cell.log")
    assert "KeyError: 'no such'" in (tmp_path / "cell.log").read_text()
    assert not (tmp_path / "cell.json").exists()
