"""The golden page: what a report of one record looks like. `python -m tests.report.golden` writes it anew."""

from __future__ import annotations

import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.report.records import row, two
from theseus_plugin.report.markdown import markdown
from theseus_plugin.report.summary import summary_of, write_report

FILE = Path(__file__).parent / "golden.html"
FACTS = {"cpu": "A <fast> one", "cpu_flags": ["avx512_vnni"], "versions": {"torch": "2.9"}, "gpu": None}


def records() -> list[dict[str, Any]]:
    """Four models, with all that is warned of and all that may stand in a cell."""
    first, second = two()
    second["size"] |= {"blocks_by_stack": {"encoder": 2, "decoder": 1}, "sha256": "f" * 64}
    second["flops"] = {"count": 1234567, "of": "text", "by_block": [1, 2]}
    third = row("runs/demo/<other> & more", 0.8273, 1.005, 90.9, runtime="torch-eager", precision="int8-dynamic")
    third["accuracy"] |= {"difference": {}, "unpaired": "12 examples, not 9"}
    third["latency"]["machine"]["busy"] = True
    third["latency"]["unpaired"] = "12 examples, not 9"
    return [first, second, third, {"model": "runs/demo/broken", "status": "failed", "error": "it <broke>"}]


def page() -> str:
    """The page without the lines of its drawings, which another version of matplotlib draws otherwise, and the table
    in Markdown below it.
    """
    with TemporaryDirectory() as folder:
        file = Path(folder, "report.html")
        write_report(file, summary_of(records()), "Film & review", FACTS)
        text = file.read_text(encoding="utf-8")
    text = re.sub(r"(<svg [^>]*?)( height| width| viewBox| version).*?</svg>", r"\1/>", text, flags=re.DOTALL)
    return f"{text}\n{markdown(records())}"


if __name__ == "__main__":
    FILE.write_text(page(), encoding="utf-8")
