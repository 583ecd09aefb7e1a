"""How a plugin's class, or what is made of it, breaks the contract, as far as looking at it tells."""

from __future__ import annotations

import inspect
from typing import Any

from theseus_plugin.console import printable

_ARGUMENTS: dict[str, tuple[int, tuple[str, ...]]] = {
    "compress": (3, ()),
    "fit": (3, ()),
    "load": (1, ("splits", "new_head")),
    "evaluate": (2, ()),
    "rate_at": (2, ()),
}
"""What the verbs are called with: how many by their places, and those by their names."""


def breach_of_class(plugin: Any, name: str, verb: str) -> str | None:
    """What is wrong with what an entry point called `name` stands for; None: nothing."""
    from pydantic import BaseModel, RootModel

    lacking = [a for a in ("name", "summary", "Config", verb) if not hasattr(plugin, a)]
    if lacking:
        return f"it lacks {', '.join(lacking)}"
    if not isinstance(plugin, type):
        return "it is no class"
    if plugin.name != name:  # type: ignore[attr-defined]
        return f"it calls itself {one_line(plugin.name)!r}"  # type: ignore[attr-defined]
    summary, config = plugin.summary, plugin.Config  # type: ignore[attr-defined]
    if not isinstance(summary, str) or not summary.strip() or not summary.isprintable():
        return "its summary is no line of text"
    if not isinstance(config, type) or not issubclass(config, BaseModel):
        return "its Config is no pydantic model"
    if issubclass(config, RootModel):
        return "its Config has no keys"
    if "name" in {*config.model_fields, *(field.alias for field in config.model_fields.values())}:
        return "its Config has an option called name, which is that of the plugin in a recipe"
    if not callable(getattr(plugin, verb)):
        return f"its {verb} cannot be called"
    return None


def breach_of_verb(made: Any, verb: str) -> str | None:
    """What is wrong with the verb of an instance, as far as its signature tells; None: nothing."""
    places, names = _ARGUMENTS[verb]
    called = getattr(made, verb)
    try:
        inspect.signature(called).bind(*[None] * places, **dict.fromkeys(names))
    except TypeError as error:
        return f"its {verb} cannot be called as it has to be ({error})"
    except ValueError:  # nobody knows its signature
        return None
    if inspect.iscoroutinefunction(called) or inspect.isgeneratorfunction(called):
        return f"its {verb} is a generator or a coroutine, which gives nothing when it is called"
    return None


def one_line(value: Any) -> str:
    """Whatever a plugin gives as one line."""
    try:
        return printable(" ".join(str(value).split()))
    except Exception:
        return "?"
