"""What holds for the options of all tasks of this distribution."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from theseus_plugin.errors import UserError
from theseus_plugin.plugins.registry import create, load

ENTRIES = tomllib.loads((Path(__file__).parents[2] / "entry_points.toml").read_text())
TASKS = ENTRIES["model_compression.tasks"]
HEAVY = {"torch", "transformers", "datasets", "sklearn", "scipy", "numpy", "pandas", "PIL"}


@pytest.mark.parametrize("name", TASKS)
def test_every_option_is_described(name):
    task = load("task", name)
    assert task.name == name
    for option, field in task.Config.model_json_schema()["properties"].items():
        assert field.get("description"), option


@pytest.mark.parametrize("name", [name for name in TASKS if name != "relations"])  # its graph is one file
def test_examples_must_come_from_somewhere(name):
    texts = {} if "text" not in load("task", name).Config.model_fields else {"text": "text"}
    with pytest.raises(UserError, match="task: no examples: give either `data`, or the files"):
        create("task", name, texts, where="task")
    given = create("task", name, {"train": "a", **texts}, where="task")
    assert given.config.train == "a"


def test_importing_the_plugins_is_cheap():
    modules = ", ".join(sorted({entry.partition(":")[0] for entry in TASKS.values()}))
    code = f"import sys, {modules}; print(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True)
    assert not HEAVY & set(result.stdout.split())
