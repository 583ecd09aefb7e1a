from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import onnx as onnx_file
import pytest
import torch
from click.testing import CliRunner
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from tests.families import families, section, write
from theseus_plugin import UserError, explain, export, rank
from theseus_plugin.cli import app
from theseus_plugin.relations.graph import Triple, read_triples

pytestmark = pytest.mark.usefixtures("warm_children")

TAILS: list[Triple] = [("a13", "grand", tail) for tail in ("c13", "d13", "b13", "c14")]
HEADS: list[Triple] = [(head, "grand", "c15") for head in ("a15", "d15", "nobody", "b15")]
LOST: list[Triple] = [("a16", "grand", tail) for tail in ("c17", "d16", "b16", "c16")]
"""The first is joined by nothing."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = families(tmp_path_factory.mktemp("ranking"))
    write(folder / "queries.txt", TAILS + HEADS + LOST)
    # what most tests ask: its process is there at once, while one with PyTorch takes seconds to import that
    export(str(folder / "model"), str(folder / "onnx"), {"task": section(folder)})
    return folder


def ranked(home: Path, *models: str, **options: Any) -> list[dict[str, Any]]:
    given = {"queries": [str(home / "queries.txt")], "candidates": 4, **options}
    names = models or (str(home / "onnx"),)
    return [one["ranking"] for one in rank(list(names), {"task": section(home)}, **given)["models"]]


def by_networkx(home: Path, fact: Triple) -> list[float]:
    """Log-odds of a fact's paths, by the library that the paper's code uses and a stock model, one text at a time."""
    graph = nx.MultiDiGraph()
    for known in dict.fromkeys(read_triples(home / "train.txt")):
        graph.add_edge(known[0], known[2], key=known)
        graph.add_edge(known[2], known[0], key=known)
    if fact[0] not in graph or fact[2] not in graph:
        return []
    model = AutoModelForSequenceClassification.from_pretrained(home / "model").eval()
    tokenizer = AutoTokenizer.from_pretrained(home / "model")
    texts = {"parent": "is the parent of", "grand": "is the film of"}
    found = []
    for path in nx.all_simple_edge_paths(graph, fact[0], fact[2], cutoff=3):
        steps = " ".join(f"{head} {texts.get(relation, relation)} {tail};" for _, _, (head, relation, tail) in path)
        question = f"Question: {fact[0]} {texts[fact[1]]} what ? Is the correct answer {fact[2]} ?"
        with torch.inference_mode():
            logits = model(**tokenizer(question, f"Context: {steps}", return_tensors="pt")).logits[0]
        found.append(float(logits[1] - logits[0]))
    return found


def test_ranks_are_those_of_a_stock_model_and_networkx(home: Path, tmp_path: Path) -> None:
    [record] = ranked(home, output=str(tmp_path / "out"))
    odds = [[by_networkx(home, fact) for fact in query] for query in (TAILS, HEADS, LOST)]
    best = [[max(one, default=-np.inf) for one in query] for query in odds]
    expected = [1 + sum(other > query[0] for other in query[1:]) for query in best]
    assert record["queries"], record["candidates"] == (3, 12)
    assert record["paths"] == sum(len(one) for query in odds for one in query)
    assert record["unknown"] == 1
    assert record["coverage"] == pytest.approx(2 / 3)
    assert record["rules"]["optimistic"]["mrr"] == pytest.approx(np.mean([1 / one for one in expected]))
    assert record["rules"]["paper"]["mrr"] == pytest.approx(np.mean([1 / one for one in [*expected[:2], 4]]))
    assert record["queries_per_second"] > 0
    [file] = (tmp_path / "out").iterdir()
    first, second, third = map(json.loads, file.read_text().splitlines())
    assert (first["varied"], second["varied"], third["varied"]) == ("tail", "head", "tail")
    assert [first["ranks"]["optimistic"], second["ranks"]["optimistic"]] == expected[:2]
    assert first["candidates"][0]["fact"] == list(TAILS[0])
    assert first["candidates"][0]["probability"] == pytest.approx(1 / (1 + np.exp(-best[0][0])), abs=1e-3)
    assert third["candidates"][0] == {"fact": list(LOST[0]), "true": True, "paths": 0}


def test_an_export_ranks_as_its_checkpoint_and_options_change_nothing_else(home: Path) -> None:
    stock, onnx = ranked(home, str(home / "model"), str(home / "onnx"))
    assert onnx["rules"] == stock["rules"]
    [spread] = ranked(home, processes=2, batch_size=1)
    assert spread["rules"] == stock["rules"]


def test_a_cap_is_counted(home: Path) -> None:
    [whole], [capped] = ranked(home), ranked(home, paths=1)
    assert whole["capped"] == 0
    assert 0 < capped["capped"] <= 3
    assert capped["paths"] < whole["paths"]


def test_aggregators_are_told_apart(home: Path) -> None:
    by = {name: ranked(home, aggregator=name)[0]["rules"] for name in ("max", "mean", "noisy-or")}
    for rules in by.values():
        assert rules["paper"] == by["max"]["paper"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"queries": ["/no/such/queries"]}, "/no/such/queries"),
        ({"candidates": 5}, "are not queries of 5 candidates"),
        ({"facts": "/no/such/facts"}, "/no/such/facts"),
        ({"aggregator": "best"}, "aggregator"),
        ({"output": "."}, "exists already"),
    ],
)
def test_bad_options_are_named(home: Path, options: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError, match=told):
        ranked(home, **options)


def test_another_task_has_nothing_to_rank(home: Path) -> None:
    other = {"task": {"name": "text-classification", "train": "x.tsv", "text": "a", "label": "b"}}
    with pytest.raises(UserError, match="'text-classification' knows no facts to rank"):
        rank([str(home / "model")], other, queries=[str(home / "queries.txt")])


def test_no_query_with_a_path_at_all(home: Path, tmp_path: Path) -> None:
    write(tmp_path / "none.txt", [("a1", "grand", "c2"), ("a1", "grand", "nobody")])
    [record] = ranked(home, queries=[str(tmp_path / "none.txt")], candidates=2)
    assert (record["paths"], record["coverage"]) == (0, 0.0)
    assert record["rules"]["paper"]["mrr"] == 0.5
    assert record["mrr"] == pytest.approx(1 / 1.5)


def test_a_fact_is_explained_by_the_paths_that_say_so(home: Path) -> None:
    record = explain(str(home / "onnx"), TAILS[0], {"task": section(home)})
    odds = sorted(by_networkx(home, TAILS[0]), reverse=True)
    assert [one["probability"] for one in record["paths"]] == pytest.approx(
        [1 / (1 + np.exp(-one)) for one in odds], abs=1e-3
    )
    assert record["probability"] == record["paths"][0]["probability"]
    assert "a13 -[is the parent of]-> b13 -[is the parent of]-> c13" in [one["in_words"] for one in record["paths"]]
    against = [one for one in record["paths"] if any(step["against"] for step in one["steps"])]
    assert all("<-[" in one["in_words"] for one in against) and against


def test_the_command_explains_and_ranks(home: Path) -> None:
    recipe = home / "recipe.json"
    recipe.write_text(json.dumps({"task": section(home)}))
    shared = ["--task", str(recipe)]
    said = CliRunner().invoke(app, ["explain", *TAILS[0], "--model", str(home / "model"), *shared, "--paths", "1"])
    assert said.exit_code == 0, said.output
    assert "a13 is the film of c13:" in said.output
    assert len(said.output.splitlines()) == 2
    none = CliRunner().invoke(app, ["explain", *LOST[0], "--model", str(home / "onnx"), *shared])
    assert "no path of three facts or fewer" in none.output
    options = ["--queries", str(home / "queries.txt"), "--set", "candidates=4"]
    table = CliRunner().invoke(app, ["rank", str(home / "onnx"), *options, *shared])
    assert table.exit_code == 0, table.output
    assert "MRR x 100, the paper's rule" in table.output


@pytest.mark.parametrize(
    ("fact", "told"),
    [
        (("a99", "grand", "c1"), "entity 'a99' is not in the graph: did you mean"),
        (("a1", "grad", "c1"), "relation 'grad' is not in the graph: did you mean 'grand'"),
    ],
)
def test_what_is_not_in_the_graph_is_named(home: Path, fact: Triple, told: str) -> None:
    with pytest.raises(UserError, match=told):
        explain(str(home / "onnx"), fact, {"task": section(home)})


def test_texts_stand_for_names_where_they_are_the_only_ones(home: Path, tmp_path: Path) -> None:
    (tmp_path / "entities.txt").write_text("a13\tAnn\nb13\tBob\na14\tBob\n")
    named = {"task": section(home, entities=str(tmp_path / "entities.txt"))}
    record = explain(str(home / "onnx"), ("Ann", "is the parent of", "b13"), named)
    assert record["fact"] == ["a13", "parent", "b13"]
    with pytest.raises(UserError, match="'Bob': 2 are called so: give one of a14, b13"):
        explain(str(home / "onnx"), ("Ann", "parent", "Bob"), named)


def test_a_query_of_an_unknown_relation_is_named(home: Path, tmp_path: Path) -> None:
    lines = [*TAILS, ("a13", "grant", "c13"), *[("a13", "grant", one) for one in ("d13", "b13", "c14")]]
    file = write(tmp_path / "queries.txt", lines)
    with pytest.raises(
        UserError, match=r"queries\.txt, line 5: relation 'grant' is not in the graph: did you mean 'grand'"
    ):
        ranked(home, queries=[str(home / "queries.txt"), file])
    (tmp_path / "texts.txt").write_text("grant\tis the film of\n")
    known = {"task": section(home, relations=str(tmp_path / "texts.txt"))}  # new to the graph, but it has a text
    record = rank([str(home / "onnx")], known, queries=[file], candidates=4)["models"][0]["ranking"]
    assert record["queries"] == 2


def test_relations_that_only_the_model_has_seen_are_known(home: Path, tmp_path: Path) -> None:
    graph = write(tmp_path / "facts.txt", [("x", "parent", "y"), ("y", "parent", "z")])
    queries = write(tmp_path / "queries.txt", [("x", "grand", "z"), ("x", "grand", "y")])
    bare = {"task": {key: value for key, value in section(home).items() if key != "relations"}}
    options: dict[str, Any] = {"queries": [queries], "candidates": 2, "facts": graph}
    [record] = [one["ranking"] for one in rank([str(home / "onnx")], bare, **options)["models"]]
    assert (record["queries"], record["coverage"]) == (1, 1.0)
    assert explain(str(home / "onnx"), ("x", "grand", "z"), bare, facts=graph)["paths"]


def test_queries_of_another_graph_are_refused(home: Path, tmp_path: Path) -> None:
    file = write(tmp_path / "queries.txt", [("x1", "grand", "c1"), ("x1", "grand", "c2")])
    with pytest.raises(UserError, match=r"queries\.txt, line 1: entity 'x1' is not in the graph, nor"):
        ranked(home, queries=[file], candidates=2)


def test_judgements_that_are_no_numbers_are_no_ranks(home: Path, tmp_path: Path) -> None:
    shutil.copytree(home / "onnx", tmp_path / "broken")
    file = tmp_path / "broken" / "model.onnx"
    model = onnx_file.load(file)
    bias = next(one for one in model.graph.initializer if one.name.endswith("classifier.bias"))
    bias.CopyFrom(onnx_file.numpy_helper.from_array(np.array([0, np.nan], dtype=np.float32), bias.name))
    onnx_file.save(model, file)
    with pytest.raises(UserError, match=r"broken: its logits are not finite .* the first is example 1:"):
        ranked(home, str(tmp_path / "broken"))
    with pytest.raises(UserError, match=r"broken: its logits are not finite"):
        explain(str(tmp_path / "broken"), TAILS[0], {"task": section(home)})
