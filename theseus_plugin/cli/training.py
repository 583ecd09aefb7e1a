"""Commands that train: fit, compress, tune."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from theseus_plugin.cli.options import resume_option, takes_recipe
from theseus_plugin.cli.printing import print_json, print_result, say


@click.command()
@takes_recipe
@resume_option
def fit(recipe: str, overrides: Sequence[str], resume: bool, as_json: bool) -> None:
    """Fine-tune a predecessor: `model` of the recipe becomes `predecessor`."""
    from theseus_plugin import api
    from theseus_plugin.recipe import load_recipe

    overrides = [*overrides, *["fit.resume=true"] * resume]
    print_result(api.fit(load_recipe(recipe, overrides)), as_json)


@click.command()
@takes_recipe
@resume_option
def compress(recipe: str, overrides: Sequence[str], resume: bool, as_json: bool) -> None:
    """Compress: `predecessor` of the recipe becomes `successor`.

    On many devices: accelerate launch -m theseus_plugin compress RECIPE
    """
    from theseus_plugin import api
    from theseus_plugin.recipe import load_recipe

    overrides = [*overrides, *["method.training.resume=true"] * resume]
    print_result(api.compress(load_recipe(recipe, overrides)), as_json)


@click.command()
@takes_recipe
@click.option("--trials", type=click.IntRange(min=1), default=20, show_default=True, help="How many at most.")
@click.option("--minutes", type=click.FloatRange(min=0), help="Of training in all.  [default: as many as it takes]")
@click.option(
    "--search",
    metavar="OPTION=[VALUE,...]",
    multiple=True,
    help="Values to try, as training.learning_rate=[1e-4,2e-4].",
)
@click.option("--output", metavar="FILE.yaml", help="The recipe to write.  [default: RECIPE-tuned.yaml]")
@click.option("--resume", is_flag=True, help="Continue an interrupted search.")
def tune(
    recipe: str, overrides: Sequence[str], search: Sequence[str], output: str | None, as_json: bool, **options: Any
) -> None:
    """Search the best values of the method's options on the task, and write the recipe that has them.

    The first trial is the recipe as it is; the best one's successor is kept.
    """
    from theseus_plugin import api
    from theseus_plugin.tuning.space import parse_search

    output = output or str(Path(recipe).parent / f"{Path(recipe).stem}-tuned.yaml")
    record = api.tune(recipe, overrides, output=output, search=parse_search(search), **options)
    if as_json:
        print_json(record)
        return
    from theseus_plugin.tuning.study import metrics_in_words

    shown = metrics_in_words(record["best"]["metrics"])
    say(f"{record['output']}: {shown}, the best of {len(record['trials'])} trials")
