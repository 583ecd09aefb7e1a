"""Sentences in CoNLL style: a word and its tag on a line, an empty line between sentences."""

from __future__ import annotations

import re
from collections.abc import Sequence

from theseus_plugin.errors import UserError
from theseus_plugin.tasks.reading import Rows
from theseus_plugin.tasks.textfiles import BLANK, fields, lines, open_text

SUFFIX = ".conll"
_DOCUMENT = "-DOCSTART-"
_COMMENT = re.compile(r"#\s*\S+\s*=\s.*|#\s*new(doc|par)\b.*")
"""`# sent_id = 1`, `# newpar`: what CoNLL-U says of a sentence."""
_NUMBER = re.compile(r"[0-9]+([-.][0-9]+)?")
"""What CoNLL-U calls a word, several words that are written as one, or one that is left out."""


def read_conll(path: str, words: str, tags: str) -> Rows:
    """One row a sentence, in columns of the names `words` and `tags`.

    Of a line with tabs the first and the last field are read, else the first and the last of those between spaces;
    lines that begin with -DOCSTART- are left out, and so are comments: lines without a tab that begin as those of
    CoNLL-U, or with `# ` in a file whose other lines have tabs.

    Raises:
        UserError: no such file, not UTF-8, a line without a word or a tag, no sentence, or words that are numbers of
            words.
    """
    with open_text(path) as stream:
        found = list(lines(stream))
    tabs = any("\t" in line for line in found)
    sentences: list[list[list[str]]] = [[]]
    for number, line in enumerate(found, start=1):
        if not line.strip(BLANK):
            sentences.append([])
        elif not line.startswith(_DOCUMENT) and not _is_comment(line, tabs):
            parts = [part.strip(" ") for part in line.split("\t")] if "\t" in line else fields(line)
            if len(parts) < 2 or not parts[-1]:
                raise UserError(f"{path}, line {number}: {line.strip(BLANK)!r} has no tag: write WORD<tab>TAG")
            if not parts[0]:
                raise UserError(f"{path}, line {number}: no word before the tag {parts[-1]!r}: write WORD<tab>TAG")
            sentences[-1].append(parts)
    filled = [sentence for sentence in sentences if sentence]
    if not filled:
        raise UserError(f"{path}: no rows")
    if _are_numbered(filled):
        raise UserError(f"{path}: the first column numbers the words, as in CoNLL-U: write lines of WORD<tab>TAG")
    return Rows(
        path, {name: [[p[at] for p in sentence] for sentence in filled] for name, at in ((words, 0), (tags, -1))}
    )


def _is_comment(line: str, tabs: bool) -> bool:
    return "\t" not in line and (_COMMENT.fullmatch(line) is not None or (tabs and line.startswith("# ")))


def _are_numbered(sentences: Sequence[Sequence[Sequence[str]]]) -> bool:
    """Whether the first of three columns or more counts the words of every sentence."""
    for sentence in sentences:
        if not all(len(parts) > 2 and _NUMBER.fullmatch(parts[0]) for parts in sentence):
            return False
        counted = [int(parts[0]) for parts in sentence if parts[0].isdecimal()]
        if counted != list(range(1, len(counted) + 1)):
            return False
    return any(len(sentence) > 1 for sentence in sentences)
