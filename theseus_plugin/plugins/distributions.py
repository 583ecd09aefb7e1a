"""Installed distributions and their entry points, where one of them may be damaged: it takes the others with it in
`importlib.metadata`, and must not here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.metadata import Distribution, EntryPoint, distributions, entry_points

from theseus_plugin.console import printable


def points_of(group: str) -> list[EntryPoint]:
    """The entry points of a group, of all distributions that can be read."""
    try:
        return list(entry_points(group=group))
    except Exception:  # one file that cannot be read, of whatever distribution, and there are none at all
        return [point for one in readable() for point in one.entry_points if point.group == group]


def readable() -> Iterator[Distribution]:
    """Each distribution whose entry points can be read, the first one of a name."""
    seen: set[str] = set()
    for distribution in distributions():
        name = re.sub(r"[-_.]+", "-", origin(distribution)[0]).lower()
        if _defect(distribution) is None and name not in seen:
            yield distribution
        seen |= {name} - {"unknown"}


def unreadable(group: str) -> list[tuple[str, str]]:
    """Names of distributions that seem to have entry points of a group, and why these cannot be read."""
    try:
        entry_points(group=group)
    except Exception:
        broken = {origin(one)[0]: defect for one in distributions() if (defect := _defect(one)) is not None}
        return [
            (name, f"entry_points.txt of distribution {name!r} cannot be read ({said}): reinstall or uninstall it")
            for name, (said, content) in broken.items()
            if group in content
        ]
    return []


def _defect(distribution: Distribution) -> tuple[str, str] | None:
    """What is wrong with the entry points of a distribution, and its file; None: nothing."""
    content = ""
    try:
        content = distribution.read_text("entry_points.txt") or ""
        list(distribution.entry_points)
    except Exception as error:
        if not content and isinstance(error, UnicodeDecodeError):
            content = error.object.decode("utf-8", "replace")
        return ("not UTF-8" if isinstance(error, ValueError) else "a line without a value"), content
    return None


def origin(distribution: Distribution | None) -> tuple[str, str]:
    """Name and version, `unknown` where the metadata do not tell."""
    try:
        metadata = distribution.metadata  # type: ignore[union-attr]  # read anew each time it is asked for
        name, version = metadata["Name"], metadata["Version"]
    except Exception:  # a damaged METADATA, or none
        name, version = None, None
    return printable(name or "unknown"), printable(version or "unknown")
