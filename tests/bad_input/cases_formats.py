"""Folders in a format of a method's own: what their record says, and what the method makes of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.bad_input.cases_plugins import HEAD, METHOD, WHO, install
from tests.bad_input.driver import Case
from tests.bad_input.world import World

Prepare = Callable[[World], Sequence[str]]
LOADING = (
    HEAD
    + METHOD.format("return {{}}")
    + """
    @classmethod
    def load(cls, folder, auto_class):
        {}
"""
)
BERT = "import transformers; model = transformers.AutoModelForSequenceClassification.from_pretrained(folder)"
NO_LOGITS = f"""{BERT}
        class Module(type(model)):
            def forward(self, input_ids, attention_mask=None): return input_ids
        return Module(model.config)"""


def _folder(w: World, **fields: Any) -> str:
    """A copy of the predecessor whose record says that it is in a format of the method `odd`."""
    w.copy()
    w.edit("predecessor/result.json", **{"format": {"method": "odd", "precision": "int8"}, **fields})
    return "predecessor"


def _export(body: str | None, **fields: Any) -> Prepare:
    """Export such a folder; `body` is that of the method's `load`, None: there is no such method."""

    def prepare(w: World) -> list[str]:
        if body is not None:
            install(LOADING.format(body))
        return ["export", _folder(w, **fields), "onnx"]

    return prepare


def _other(*command: str) -> Prepare:
    """Another command on such a folder, whose name is appended."""

    def prepare(w: World) -> list[str]:
        install(LOADING.format(BERT + "; return model"))
        return [*(word.format(w.assets) for word in command), _folder(w)]

    return prepare


def _recipe(command: str, section: str) -> Prepare:
    def prepare(w: World) -> list[str]:
        install(LOADING.format(BERT + "; return model"))
        return [command, w.recipe(**{section: _folder(w)}, **({"predecessor": "new"} if section == "model" else {}))]

    return prepare


def _damaged(w: World) -> list[str]:
    """Without a record that can be read it is taken for a stock checkpoint, which it is not."""
    folder = Path(_folder(w))
    weights = json.loads((folder / "config.json").read_text())
    w.edit(folder / "config.json", num_hidden_layers=weights["num_hidden_layers"] + 1)
    (folder / "result.json").write_text((folder / "result.json").read_text()[:-20])
    return ["export", str(folder), "onnx", "--task", w.recipe()]


LOADS = {
    "raises": ("raise KeyError('scale')", (WHO, "cannot load it (KeyError: 'scale')")),
    "raises an error of several lines": ("raise OSError('a\\nb')", ("cannot load it (OSError: a b)",)),
    "ends the program": ("sys.exit(0)", ("cannot load it (SystemExit: 0)",)),
    "tells a mistake in several lines": (
        "error = Exception('no\\nstore'); error.mendable = True; raise error",
        ("error: no store",),
    ),
    "gives nothing": ("pass", (WHO, "gives nothing, no torch module")),
    "gives a text": ("return folder", ("gives a str, no torch module",)),
    "gives a module without a configuration": (
        "import torch; return torch.nn.Linear(1, 1)",
        ("gives a Linear, no torch module with the folder's config",),
    ),
    "gives a module without logits": (NO_LOGITS, ("predecessor gives no logits", "'Tensor' object has no attribute")),
}
FORMATS: dict[str, tuple[dict[str, Any], str]] = {
    "names a number as its method": ({"format": {"method": 5, "precision": "int8"}}, "its format is {'method': 5"),
    "names no precision": ({"format": {"method": "odd"}}, "no method and precision"),
    "names two words as its precision": ({"format": {"method": "odd", "precision": "8 bits"}}, "no method and prec"),
    "counts no parameters": ({"parameters": {"before": 1}}, "its parameters are {'before': 1}, no number after"),
}
LOGITS_ALONE = "is in a format of the method 'odd' (int8), which gives logits and nothing else"

CASES = [
    Case(
        "exports a folder of a method that is not installed",
        _export(None),
        ("predecessor is in a format of the method 'odd'", "no method named 'odd' is installed"),
    ),
    Case(
        "exports a folder of a method that reads none",
        lambda w: (install(HEAD + METHOD.format("return {}")), ["export", _folder(w), "onnx"])[1],
        (f"method 'odd' of {WHO} has no `load`",),
    ),
    *(Case(f"exports a folder whose method {did}", _export(body), says) for did, (body, says) in LOADS.items()),
    *(
        Case(f"exports a folder whose record {did}", _export("pass", **fields), ("result.json: ", says))
        for did, (fields, says) in FORMATS.items()
    ),
    Case("exports a folder whose record is damaged", _damaged, ("weights are missing",)),
    Case(
        "benches a folder whose method is not installed",
        lambda w: ["bench", _folder(w), "--evaluator", "memory"],
        ("predecessor is in a format of the method 'odd'", "no method named 'odd' is installed"),
    ),
    Case("compresses a folder in a method's own format", _recipe("compress", "predecessor"), (LOGITS_ALONE,)),
    Case("fits a folder in a method's own format", _recipe("fit", "model"), (LOGITS_ALONE,)),
    Case(
        "attacks with words of a folder in a method's own format",
        _other("attack", "{}/predecessor", "--mlm"),
        (LOGITS_ALONE,),
    ),
]
