"""The examples, in their smallest form: their own scripts, a slice of their data, two steps."""

from __future__ import annotations

import json
import re
import runpy
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests import warm
from theseus_plugin import compress, fit, load_recipe
from theseus_plugin.demo import PACKAGES

EXAMPLES = Path(__file__).parents[1] / "examples"
FIT = ["fit.max_steps=2", "fit.batch_size=2", "fit.precision=fp32"]
SMALL = [*FIT, *(key.replace("fit", "method.training") for key in FIT)]
needs_packages = pytest.mark.skipif(any(find_spec(name) is None for name in PACKAGES), reason="needs the packages")


def run_script(name: str, folder: Path) -> None:
    warm.right(warm.called(program, str(EXAMPLES / name), str(folder)))


def program(*command: str) -> None:
    """A script as the main program of this process."""
    sys.argv = list(command)
    sys.path.insert(0, str(Path(command[0]).parent))
    runpy.run_path(command[0], run_name="__main__")


def cut(file: Path, lines: int) -> None:
    file.write_text("".join(file.read_text(encoding="utf-8").splitlines(keepends=True)[:lines]), encoding="utf-8")


@pytest.fixture
def recipe(tmp_path: Path) -> Callable[..., Path]:
    """A recipe of the examples whose paths under runs/ lead to this test's folder."""

    def _recipe(name: str) -> Path:
        text = (EXAMPLES / name).read_text(encoding="utf-8")
        [script, folder] = re.findall(r"^# First: python examples/(\S+) runs/(\S+)$", text, re.MULTILINE)[0]
        run_script(script, tmp_path / folder)
        (tmp_path / name).write_text(text.replace(" runs/", f" {tmp_path}/"), encoding="utf-8")
        return tmp_path / name

    return _recipe


@needs_packages
def test_titles(recipe: Callable[..., Path], tmp_path: Path) -> None:
    path = recipe("titles.yaml")
    rows = {
        split: [json.loads(line) for line in (tmp_path / "titles" / f"{split}.jsonl").open(encoding="utf-8")]
        for split in ("train", "validation")
    }
    for split, count in (("train", 520), ("validation", 57)):
        assert sum("B-FILM" in row["tags"] for row in rows[split]) == count
        assert len(rows[split]) == 3 * count
    titles = {
        split: {" ".join(w for w, t in zip(row["words"], row["tags"], strict=True) if t != "O").lower() for row in part}
        for split, part in rows.items()
    }
    assert "insomnia" in titles["train"] | titles["validation"]
    for split in rows:
        cut(tmp_path / "titles" / f"{split}.jsonl", 4)
    fit(load_recipe(path, SMALL))
    assert 0 <= compress(load_recipe(path, SMALL))["after"]["f1"] <= 1


@needs_packages
def test_masked_lm(recipe: Callable[..., Path], tmp_path: Path) -> None:
    path = recipe("masked_lm.yaml")
    for split in ("train", "validation"):
        cut(tmp_path / "reviews" / f"{split}.csv", 5)
    fit(load_recipe(path, SMALL))
    assert compress(load_recipe(path, SMALL))["after"]["perplexity"] > 1


@needs_packages
def test_causal_lm(recipe: Callable[..., Path], tmp_path: Path) -> None:
    path = recipe("causal_lm.yaml")
    for split in ("train", "validation"):
        cut(tmp_path / "causal_lm" / f"{split}.csv", 5)
    result = fit(load_recipe(path, SMALL))
    assert 1 < result["after"]["perplexity"] < 10_000  # near the vocabulary's 4,000: it knows nothing yet
    assert compress(load_recipe(path, SMALL))["training"]["partition"] == {"blocks": [[2, 1], [2, 1]]}


def test_digits(recipe: Callable[..., Path], tmp_path: Path) -> None:
    path = recipe("digits.yaml")
    images = {split: len(list((tmp_path / "digits" / split).glob("*/*.png"))) for split in ("train", "validation")}
    assert images == {"train": 1437, "validation": 360}
    result = fit(load_recipe(path, SMALL))
    assert result["training"]["examples"] == images
    assert 0 <= result["after"]["accuracy"] <= 1
    compressed = compress(load_recipe(path, SMALL))
    assert [row["module"] for row in compressed["training"]["module_costs"]] == ["none", "blocks 0-1", "blocks 2-3"]
