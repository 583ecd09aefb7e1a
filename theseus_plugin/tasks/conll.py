"""Sentences in CoNLL style: a word and its tag on a line, an empty line between sentences."""

from __future__ import annotations

from pathlib import Path

import datasets

from theseus_plugin.errors import UserError
from theseus_plugin.tasks.reading import Rows

SUFFIX = ".conll"


def read_conll(path: str, words: str, tags: str) -> Rows:
    """One row a sentence, in columns of the names `words` and `tags`.

    Of a line with tabs the first and the last field are read, else the first and the last of those between spaces;
    lines that begin with -DOCSTART- are left out.

    Raises:
        UserError: no such file, not UTF-8, a line with one field, or no sentence.
    """
    try:
        text = Path(path).expanduser().read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read ({error}): give a text file in UTF-8") from None
    sentences: list[list[tuple[str, str]]] = [[]]
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            sentences.append([])
        elif not line.startswith("-DOCSTART-"):
            fields = line.split("\t") if "\t" in line else line.split()
            if len(fields) < 2:
                raise UserError(f"{path}, line {number}: {line!r} has no tag: write WORD<tab>TAG")
            sentences[-1].append((fields[0], fields[-1].strip()))
    filled = [sentence for sentence in sentences if sentence]
    if not filled:
        raise UserError(f"{path}: no rows")
    columns = {name: [[pair[at] for pair in sentence] for sentence in filled] for at, name in enumerate((words, tags))}
    return Rows(path, datasets.Dataset.from_dict(columns))
