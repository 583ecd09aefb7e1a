"""Which values are tried, and which are next."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from theseus_plugin.errors import UserError, did_you_mean
from theseus_plugin.options.plain import shown
from theseus_plugin.plugins import registry
from theseus_plugin.plugins.schemas import options, worth_trying
from theseus_plugin.recipe import value_of

if TYPE_CHECKING:
    import optuna

Values = dict[str, Any]
"""One value by the path of each option of the method that is searched, such as `training.learning_rate`."""
Space = dict[str, list[Any]]
"""All values that may be tried, by the same paths."""
_DRAWS = 200
"""Proposals in a row that were tried before, after which nothing new is expected."""
_UNGUIDED = 6
"""Trials before the sampler models what they gave."""


def parse_search(given: Sequence[str]) -> Space:
    """Values to try by option, from texts `OPTION=[VALUE, ...]`, whose values are YAML.

    Raises:
        UserError: one that is not written so, or an option that is there twice.
    """
    chosen: Space = {}
    for line in given:
        path, _, text = line.partition("=")
        if not path:
            raise UserError(f"--search {shown(line)}: write it as OPTION=[VALUE, ...]")
        if path in chosen:
            raise UserError(f"--search {shown(path)} is there twice: give all its values in one list")
        chosen[path] = value_of("--search", line, text)
    return chosen


def search_space(section: Mapping[str, Any], chosen: Mapping[str, Sequence[Any]]) -> tuple[Space, Values]:
    """What may be tried, in full as the method's configuration tells it, and what is tried first.

    Args:
        section: the recipe's `method`. Its own values are in the space, and are the first.
        chosen: values by the path of an option, in the place of those that the method names as worth trying or beside
            them; the first of them is tried first, and a single one fixes the option.

    Raises:
        UserError: an option that the method does not have, a value it refuses, or nothing to search.
    """
    method = section["name"]
    schema = registry.schema("method", method)
    known = dict(options(schema))
    for path, values in chosen.items():
        if not isinstance(values, list | tuple) or not values:
            raise UserError(f"--search {path}: give a list of values, as training.learning_rate=[1e-4,2e-4]")
        if path not in known:
            raise UserError(f"--search {path}: method {method!r} has no such option: {did_you_mean(path, known)}")
    space: Space = {}
    for path, values in (worth_trying(schema) | dict(chosen)).items():
        own = [] if path in chosen else [_in_full(section, path)]
        candidates = own + [_in_full(put(section, path, value), path) for value in values]
        space[path] = [value for at, value in enumerate(candidates) if value not in candidates[:at]]
    if not space:
        raise UserError(f"method {method!r} names no values worth trying: give some with --search OPTION=[VALUE, ...]")
    return space, {path: values[0] for path, values in space.items()}


def put(section: Mapping[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy of nested `section` with `value` at `path`."""
    key, _, rest = path.partition(".")
    inner = section.get(key)
    return {**section, key: put(inner if isinstance(inner, Mapping) else {}, rest, value) if rest else value}


def _in_full(section: Mapping[str, Any], path: str) -> Any:
    """The value at `path` of a method's section, its defaults filled in."""
    given = {key: value for key, value in section.items() if key != "name"}
    value: Any = registry.create("method", section["name"], given, where="method").config.model_dump(mode="json")
    for key in path.split("."):
        value = value[key]
    return value


def propose(space: Space, tried: Sequence[Mapping[str, Any]]) -> Values | None:
    """Values that were not tried yet and promise most (tree-structured Parzen estimator, Bergstra et al. 2011).

    None: all were tried.

    Args:
        space: what may be tried.
        tried: `values` of each trial and its `score`, more being better; None of one that failed.
    """
    import optuna

    distributions: Any = {path: optuna.distributions.CategoricalDistribution(_texts(space[path])) for path in space}
    sampler = optuna.samplers.TPESampler(n_startup_trials=_UNGUIDED, seed=len(tried))
    study = optuna.create_study(direction="maximize", sampler=sampler)
    for trial in tried:
        study.add_trial(_finished(trial, distributions))
    before = [trial["values"] for trial in tried]
    for _ in range(_DRAWS):
        proposed = study.ask(distributions)
        values = {path: json.loads(text) for path, text in proposed.params.items()}
        if values not in before:
            return values
        study.tell(proposed, state=optuna.trial.TrialState.FAIL)
    return None


def _finished(trial: Mapping[str, Any], distributions: Any) -> optuna.trial.FrozenTrial:
    import optuna

    failed = trial["score"] is None
    return optuna.trial.create_trial(
        state=optuna.trial.TrialState.FAIL if failed else optuna.trial.TrialState.COMPLETE,
        value=None if failed else trial["score"],
        params={path: json.dumps(value) for path, value in trial["values"].items()},
        distributions=distributions,
    )


def _texts(values: Sequence[Any]) -> list[str]:
    """Values as JSON: Optuna's choices are texts and numbers."""
    return [json.dumps(value) for value in values]
