"""Facts, questions and paths as texts (BERTRL, section 3.2)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from theseus_plugin.errors import UserError
from theseus_plugin.relations.graph import Graph, Triple
from theseus_plugin.relations.paths import Path as Facts
from theseus_plugin.relations.paths import walked
from theseus_plugin.tasks.textfiles import BLANK, fields, lines, open_text


@dataclass(frozen=True)
class Names:
    """What entities and relations are called; one that is not known is called as it is spelled."""

    entities: Mapping[str, str] = field(default_factory=dict)
    relations: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, entities: str | None, relations: str | None) -> Names:
        """Lines of a name and a text, separated by a tab; None: there are none.

        In a file in which most entities have a comma in their text, as WordNet's, descriptions follow the first one and
        are left out. In one where few have, as Freebase's, commas belong to names.

        Raises:
            UserError: a file that cannot be read, or a line of another shape.
        """
        texts = _read(entities) if entities else {}
        if sum("," in text for text in texts.values()) > len(texts) / 2:
            texts = {name: text.partition(",")[0].strip(BLANK) or text for name, text in texts.items()}
        return cls(texts, _read(relations) if relations else {})

    def entity(self, name: str) -> str:
        """Its text, alone."""
        return self.entities.get(name, name)

    def relation(self, name: str) -> str:
        """Its text; of one without, its name with spaces for underscores and slashes."""
        return self.relations.get(name) or " ".join(fields(name.replace("_", " ").replace("/", " ")))

    def of(self, entities: Iterable[str]) -> dict[str, str]:
        """The texts of entities that are told of together: where two have the same, the later ones get a number."""
        texts: dict[str, str] = {}
        seen: dict[str, int] = {}
        for entity in dict.fromkeys(entities):
            text = self.entity(entity)
            seen[text] = seen.get(text, 0) + 1
            texts[entity] = text if seen[text] == 1 else f"{text} {seen[text]}"
        return texts


@dataclass(frozen=True)
class Instance:
    """A fact to be judged by one path."""

    question: str
    context: tuple[str, ...]
    """One text for each step of the path."""

    @property
    def texts(self) -> tuple[str, str]:
        """As the model reads it."""
        return self.question, " ".join(["Context:", *self.context])


def instance(graph: Graph, names: Names, triple: Triple, path: Facts) -> Instance:
    """What is asked of a triple and one of the paths between its entities. Every fact of the path is told in its own
    direction, whichever way it was walked.
    """
    head, relation, tail = triple
    told: list[tuple[str, str, str]] = []
    for fact, _ in walked(graph, path, graph.entities[head]):
        first, through, last = graph.facts[fact]
        told.append((graph.names[first], graph.relation_names[through], graph.names[last]))
    called = names.of([head, tail, *(entity for fact in told for entity in (fact[0], fact[2]))])
    context = tuple(f"{called[first]} {names.relation(through)} {called[last]};" for first, through, last in told)
    question = f"Question: {called[head]} {names.relation(relation)} what ? Is the correct answer {called[tail]} ?"
    return Instance(question, context)


def _read(file: str) -> dict[str, str]:
    texts: dict[str, str] = {}
    with open_text(file) as stream:
        for number, line in enumerate(lines(stream), start=1):
            name, tab, text = line.partition("\t")
            name, text = name.strip(BLANK), text.strip(BLANK)
            if not name and not text:
                continue
            if not name or not tab:
                missing = "no tab between a name and its text" if name else "no name before the tab"
                raise UserError(f"{file}, line {number}: {missing}: fix the line")
            if text:  # what has none is called as it is spelled
                texts[name] = text
    return texts
