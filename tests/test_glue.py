"""The comparison on GLUE: which cells there are, and what is made of records whose answers are known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import f1_score

from benchmarks.glue import documents, grid, page, plots, runner, scores, selection, tasks
from benchmarks.glue.comparison import Runs, difference, mean_difference, mean_kept
from benchmarks.glue.grid import Cell
from tests.glue_records import EXAMPLES, flawed, labels, write_cell, write_predecessor
from theseus_plugin.errors import UserError
from theseus_plugin.measure.statistics import resampled_scores
from theseus_plugin.tasks.metrics import scorer


@pytest.fixture(autouse=True)
def few_draws(own_records: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few draws are enough, and nothing that was read before counts."""
    monkeypatch.setattr(scores, "DRAWS", 60)
    scores.resampled.cache_clear()
    scores.predecessor_resampled.cache_clear()


BOTH = ["SST-2", "STS-B"]


def whole_grid(wrong: dict[str, int], blocks: int = grid.HALF) -> None:
    """Records of all methods on two tasks, at one depth; `wrong` answers by method, more with the larger rate."""
    for task in BOTH:
        truth = labels(task)
        write_predecessor(task, flawed(truth, 2, 99), truth)
    for cell in grid.search():
        worse = 6 * (cell.rate == max(grid.RATES))
        write_cell(cell, flawed(labels(cell.task), wrong.get(cell.variant, 12) + worse, 7 * cell.seed))
    for cell in grid.main(blocks, BOTH, scores.chosen_rate):
        write_cell(cell, flawed(labels(cell.task), wrong.get(cell.variant, 12), 7 * cell.seed), seconds=10 * cell.seed)


def test_cells() -> None:
    assert len(list(grid.search())) == 2 * 6 * 2
    assert len(list(grid.main(2, ["MRPC", "SST-2"], lambda method: 1e-4))) == 6 * (5 + 3)
    cells = list(grid.main(3, ["MRPC", "SST-2"], lambda method: 1e-4))
    assert len(set(cells)) == len(cells) == 6 * (5 + 3)
    assert [cell.seed for cell in cells] == sorted(cell.seed for cell in cells)  # every seed of all before the next
    ablated = list(grid.ablations(["MRPC", "SST-2", "STS-B"], lambda method: 2e-4))
    assert len(set(ablated)) == len(grid.ABLATIONS) * 2 * grid.FEWER_SEEDS
    assert len({cell.key for cell in [*cells, *ablated]}) == len(cells) + len(ablated)
    starts = list(grid.QUESTIONS["starts"].cells(["STS-B", "SST-2"], lambda method: 2e-4))
    assert [cell.key for cell in starts] == [
        f"ablations/{task}/2-init-module-last@0.0002-{seed}"
        for task, seeds in (("STS-B", 5), ("SST-2", 3))
        for seed in range(1, 1 + seeds)
    ]
    assert cells[0].key == "main/MRPC/3-theseus@0.0001-1"
    beyond = list(grid.QUESTIONS["beyond"].cells(["MRPC", "SST-2"], lambda method: 2e-4))
    assert len({cell.key for cell in beyond}) == len(grid.BEYOND) * (5 + 3)
    assert beyond[0].key == "beyond/MRPC/3-theseus-logits@0.0002-1"
    confirmed = list(grid.QUESTIONS["confirmed"].cells(["STS-B", "SST-2"], lambda method: 2e-4))
    assert len(set(confirmed)) == len(grid.CONFIRMED) * (5 + 3)
    assert len(set(confirmed) & set(ablated)) == len(grid.CONFIRMED) * grid.FEWER_SEEDS  # on SST-2 they are the same


@pytest.mark.parametrize("variant", [*grid.METHODS, *grid.ABLATIONS, *grid.BEYOND])
def test_every_variant_is_a_method_with_options_that_it_takes(variant: str) -> None:
    from theseus_plugin.plugins.registry import create

    section = Cell("main", "MRPC", 3, variant, 1e-4, 1).method
    create("method", section.pop("name"), section, where="method")


def test_an_ablation_differs_from_the_default_in_one_option() -> None:
    from theseus_plugin.plugins.registry import create

    def options(section: dict[str, Any]) -> Any:
        given = {key: value for key, value in section.items() if key != "name"}
        return create("method", "theseus", {"successor_blocks": 3, **given}, where="method").config.model_dump(
            mode="json"
        )

    default = options(grid.METHODS["theseus"])
    for variant, section in grid.ABLATIONS.items():
        changed = [key for key, value in options(section).items() if value != default[key]]
        assert len(changed) == 1, (variant, changed)


def test_scores_are_the_tasks_first_metric() -> None:
    truth = labels("MRPC")
    write_predecessor("MRPC", flawed(truth, 5, 1), truth)
    answers = flawed(truth, 9, 3)
    cell = write_cell(Cell("main", "MRPC", 3, "kd", 1e-4, 1), answers)
    assert scores.score(cell) == pytest.approx(f1_score(truth, answers))
    assert scores.predecessor_score("MRPC") == pytest.approx(f1_score(truth, flawed(truth, 5, 1)))
    numbers = labels("STS-B")
    write_predecessor("STS-B", numbers, numbers)
    cell = write_cell(Cell("main", "STS-B", 3, "kd", 1e-4, 1), flawed(numbers, 9, 3))
    assert scores.score(cell) == pytest.approx(stats.pearsonr(numbers, flawed(numbers, 9, 3))[0])


def test_the_draws_of_f1_are_those_of_every_metric() -> None:
    truth = labels("MRPC")
    answers = flawed(truth, 9, 0).astype(int)
    write_predecessor("MRPC", answers, truth)
    expected = resampled_scores(scorer(["f1"]), np.eye(2)[answers], truth, scores.DRAWS)["f1"]
    assert scores.predecessor_resampled("MRPC") == pytest.approx(expected, abs=1e-12)
    assert np.ptp(expected) > 0


def test_the_rate_that_is_better_in_the_mean_over_the_searched_tasks_is_chosen() -> None:
    """Here the second one, though the first is the better one on SST-2."""
    for task in grid.SEARCHED:
        truth = labels(task)
        write_predecessor(task, truth, truth)
        for rate, wrong in zip(grid.RATES, (4, 7) if task == "SST-2" else (12, 1), strict=True):
            write_cell(Cell("main", task, 3, "pkd", rate, 1), flawed(truth, wrong, 0))
    assert scores.chosen_rate("pkd") == grid.RATES[1]
    numbers = labels("STS-B")
    expected = [
        ((1 - wrong / EXAMPLES) + stats.pearsonr(numbers, flawed(numbers, other, 0))[0]) / 2
        for wrong, other in ((4, 12), (7, 1))
    ]
    assert [scores.searched_score("pkd", rate) for rate in grid.RATES] == pytest.approx(expected)


def test_what_is_kept_and_how_sure_that_is() -> None:
    whole_grid({"theseus": 4, "kd": 20})
    runs = selection.compared(3, BOTH)
    assert set(runs) == set(grid.METHODS)
    theseus, kd = runs["theseus"][0], runs["kd"][0]
    assert len(theseus.cells) == 3
    assert theseus.kept == pytest.approx((1 - 4 / EXAMPLES) / (1 - 2 / EXAMPLES))
    assert theseus.seconds == 20
    low, high = theseus.kept_interval
    assert low < theseus.kept < high
    value, between = difference(theseus, kd)
    assert value == pytest.approx(theseus.kept - kd.kept)
    assert between[0] > 0  # 16 of 60 examples are no accident
    assert difference(kd, theseus)[1][1] < 0
    mean, _ = mean_kept(runs["kd"])
    assert mean == pytest.approx(np.mean([one.kept for one in runs["kd"]]))
    value, between = mean_difference(runs["truncation"], runs["truncation-every-other"])
    assert value == pytest.approx(0)
    assert between[0] < 0 < between[1]


def test_the_spread_over_seeds_widens_an_interval() -> None:
    truth = labels("SST-2")
    write_predecessor("SST-2", truth, truth)
    calm = [write_cell(Cell("main", "SST-2", 3, "kd", 1e-4, seed), flawed(truth, 15, 5)) for seed in (1, 2, 3)]
    wild = [
        write_cell(Cell("main", "SST-2", 3, "pkd", 1e-4, seed), flawed(truth, wrong, 5))
        for seed, wrong in ((1, 0), (2, 15), (3, 30))
    ]
    one, other = (np.ptp(Runs(cells).kept_interval) for cells in (calm, wild))
    assert other > 1.5 * one


def test_targets_that_are_reached() -> None:
    whole_grid({"theseus": 0, "kd": 20})
    assert all(line.reached for line in page.targets(BOTH))


def test_a_baseline_that_is_better() -> None:
    whole_grid({"theseus": 20, "kd": 1})
    missed = [line.name for line in page.targets(BOTH) if not line.reached]
    assert missed[0].startswith("share of the predecessor's score kept")
    assert "theseus - kd, mean over tasks" in missed
    assert "theseus - kd, SST-2" in missed


def test_tables_show_what_there_is() -> None:
    whole_grid({"theseus": 4, "kd": 20})
    table = page.scores_table(3, BOTH)
    assert table[1][:2] == ["predecessor", "96.67"]
    assert table[2][:2] == ["theseus", "93.33 (93.33 to 93.33)"]
    assert next(row for row in page.differences_table(3, BOTH) if row[0] == "kd")[1].startswith("**+")
    with pytest.raises(UserError, match="SST-2, 2 blocks: no seed of all methods is recorded yet"):
        page.scores_table(2, BOTH)


def test_a_grid_that_is_not_done_shows_the_seeds_that_all_methods_have() -> None:
    whole_grid({"theseus": 4, "kd": 20})
    for method, seeds in (("kd", (2, 3, 5)), ("pkd", (3, 4, 5))):
        for seed in seeds:
            cell = Cell("main", "STS-B", 3, method, scores.chosen_rate(method), seed)
            runner.records_of(cell).new_file(cell.name).unlink()
    runs = selection.compared(3, ["STS-B"])
    assert {tuple(cell.seed for cell in ours.cells) for (ours,) in runs.values()} == {(1,)}
    assert page.scores_table(3, ["STS-B"])[0][1] == "STS-B, pearson, 1 seed"
    assert "(" not in page.scores_table(3, ["STS-B"])[2][1]
    assert not next(line for line in page.targets(["STS-B"]) if line.name == "seeds, STS-B").reached


def test_an_ablation_is_compared_with_the_default_on_its_own_seeds() -> None:
    whole_grid({"theseus": 10})
    rate = scores.chosen_rate("theseus")
    for seed in (1, 2):
        write_cell(Cell("ablations", "SST-2", 3, "share-1", rate, seed), flawed(labels("SST-2"), 4 * seed, seed))
    write_cell(Cell("ablations", "SST-2", 3, "init-last", rate, 2), flawed(labels("SST-2"), 30, 2))
    found = selection.ablated("SST-2")
    assert list(found) == ["default", "share-1", "init-last"]
    seeds = {variant: [[cell.seed for cell in runs.cells] for runs in pair] for variant, pair in found.items()}
    assert seeds == {"default": [[1, 2], [1, 2]], "share-1": [[1, 2], [1, 2]], "init-last": [[2], [2]]}
    table = {row[0]: row[1:] for row in page.ablations_table(["SST-2", "MRPC"])}
    assert table["init-last"][1].startswith("-")  # one seed is never bold
    assert table["share-1"][1].startswith("+")
    assert table["init-last"][2:] == ["", ""]  # not run on MRPC


@pytest.mark.parametrize(
    ("name", "variants", "blocks"),
    [
        ("beyond", tuple(grid.BEYOND), grid.HALF),
        ("confirmed", grid.CONFIRMED, grid.HALF),
        ("starts", grid.STARTS, grid.THIRD),
    ],
)
def test_variants_stand_beside_replacing_and_distillation_on_their_own_seeds(
    name: str, variants: tuple[str, ...], blocks: int
) -> None:
    question = grid.QUESTIONS[name]
    whole_grid({"theseus": 10, "kd": 20}, blocks)
    for cell in question.cells(BOTH, scores.chosen_rate):
        if cell.seed < 3:
            write_cell(cell, flawed(labels(cell.task), 2, cell.seed))
    runs = selection.beside(BOTH, question)
    assert {cell.blocks for ours in runs.values() for one in ours for cell in one.cells} == {blocks}
    assert {name: [len(one.cells) for one in ours] for name, ours in runs.items()} == {
        name: [2, 2] for name in ("theseus", "kd", *variants)
    }
    _, _, _, *others = page.beside_table(BOTH, question)
    for variant, row in zip(variants, others, strict=True):
        more = [float(text.strip("*").split()[0]) for text in row[-2:]]
        assert more == [pytest.approx(100 * _gained(runs, variant, other), abs=0.05) for other in ("theseus", "kd")]
        assert more[1] > more[0] > 0


def _gained(runs: dict[str, list[Runs]], variant: str, other: str) -> float:
    """Mean over tasks of the shares of the predecessor's score, counted anew."""
    pairs = zip(runs[variant], runs[other], strict=True)
    return float(np.mean([(one.mean - two.mean) / scores.predecessor_score(one.task) for one, two in pairs]))


def test_transfers_are_compared_on_the_seeds_that_all_have() -> None:
    whole_grid({"theseus": 10})
    for cell in grid.transfers(["STS-B"], scores.chosen_rate):
        if (cell.variant, cell.seed) != ("kd", 2):
            wrong = 1 if cell.variant == "theseus" else 15
            write_cell(cell, flawed(labels("STS-B"), wrong, 3))
    found = selection.transferred("STS-B")
    assert {name: [cell.seed for cell in runs.cells] for name, runs in found.items()} == {
        name: [1] for name in (*grid.TRANSFERRED, selection.ITSELF)
    }
    assert page.transfers_table([grid.SOURCE])[0] == ["from SST-2"]  # nothing to transfer to is no error
    with pytest.raises(UserError, match="transfers to MRPC: no seed of all methods is recorded yet"):
        selection.transferred("MRPC")


def test_more_steps() -> None:
    whole_grid({"theseus": 20, "kd": 10})
    for cell in grid.longer(scores.chosen_rate):
        write_cell(cell, flawed(labels("STS-B"), {"theseus": 1, "kd": 15}.get(cell.variant, 5), 3))
    _, ours, _, distilled = page.longer_table()
    scored = [
        100 * stats.pearsonr(labels("STS-B"), flawed(labels("STS-B"), wrong, seed))[0]
        for wrong, seed in ((20, 7), (1, 3))
    ]
    assert [ours[0], *(cell.split(" ")[0] for cell in ours[1:3])] == ["theseus", *(f"{one:.2f}" for one in scored)]
    assert distilled[3].startswith("+")


def test_what_each_module_costs_alone(tmp_path: Path) -> None:
    whole_grid({})
    for cell in (cell for task in BOTH for cell in selection.replaced([task])[0].cells):
        metric = tasks.TASKS[cell.task].metrics[0]
        rows = [{"module": name, metric: 0.9 - lost * cell.seed} for name, lost in (("none", 0), ("blocks 0-1", 0.02))]
        write_cell(cell, labels(cell.task), module_costs=rows)
    assert page.modules_table(BOTH)[1] == [
        "blocks 0-1",
        "-4.00 (-6.00 to -2.00)",  # three seeds
        "-6.00 (-10.00 to -2.00)",  # five
    ]
    plots.draw_module_costs(selection.replaced(BOTH), tmp_path / "costs.svg")
    assert "SST-2, blocks 0-1" in (tmp_path / "costs.svg").read_text()


def test_documents_are_filled_and_outdated_ones_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    document = tmp_path / "page.md"
    document.write_text("before\n<!-- glue: one -->\nold\n<!-- glue -->\nafter\n")
    monkeypatch.setattr(documents, "DOCUMENTS", (document,))
    tables = {"one": lambda: "| new |"}
    assert documents.outdated(tables) == [str(document)]
    documents.write(tables)
    assert document.read_text() == "before\n<!-- glue: one -->\n\n| new |\n\n<!-- glue -->\nafter\n"
    assert documents.outdated(tables) == []
