"""Tables in documents, each between `<!-- glue: NAME -->` and `<!-- glue -->`, written by the benchmark."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

DOCUMENTS = (Path("README.md"), Path("docs/results.md"), Path("docs/tuning.md"))
_PLACE = re.compile(r"(<!-- glue: (\S+) -->\n).*?(<!-- glue -->)", re.DOTALL)


def filled(text: str, tables: Mapping[str, Callable[[], str]]) -> str:
    """`text` with the tables it asks for in their places."""
    return _PLACE.sub(lambda place: f"{place[1]}\n{tables[place[2]]()}\n\n{place[3]}", text)


def write(tables: Mapping[str, Callable[[], str]]) -> None:
    """Bring every document up to date."""
    for document in DOCUMENTS:
        document.write_text(filled(document.read_text(encoding="utf-8"), tables), encoding="utf-8")


def outdated(tables: Mapping[str, Callable[[], str]]) -> list[str]:
    """The documents that do not show what the records give."""
    texts = {str(document): document.read_text(encoding="utf-8") for document in DOCUMENTS}
    return [document for document, text in texts.items() if filled(text, tables) != text]
