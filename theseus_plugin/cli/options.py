"""Options that several commands take."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

import click

from theseus_plugin.vocabulary import Device

as_json_option = click.option("--json", "as_json", is_flag=True, help="Print the record as JSON on standard output.")
resume_option = click.option(
    "--resume", is_flag=True, help="Continue an interrupted run from its last checkpoint, if there is one."
)
task_option = click.option(
    "--task", metavar="RECIPE", help="Recipe that names the task.  [default: the one in the model's own record]"
)


def set_option(text: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """`--set`, which `override` reads; `text` is its help."""
    return click.option("--set", "overrides", metavar="KEY=VALUE", multiple=True, help=text)


def takes_recipe(command: Callable[..., None]) -> Callable[..., None]:
    """The argument RECIPE and the options that go with it."""
    return click.argument("recipe")(set_option("Override a key.")(as_json_option(command)))


def runs_models(command: Callable[..., None]) -> Callable[..., None]:
    """The options of commands that run models: where, and with how many threads."""
    command = click.option("--threads", type=int, help="Threads.  [default: all usable cores]")(command)
    places = click.Choice(get_args(Device))
    return click.option("--device", type=places, help="Where to run them.  [default: cpu]")(command)
