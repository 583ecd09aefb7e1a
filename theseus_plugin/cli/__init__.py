"""The command line. Each command parses, calls the function of the same name in `api`, and prints.

Importing this package imports neither torch nor pydantic nor any plugin: `--help` has to be there at once.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import click

from theseus_plugin.cli.ending import ended_by_signals, told
from theseus_plugin.cli.measuring import attack, bench, demo, export
from theseus_plugin.cli.output import lost_output, open_streams
from theseus_plugin.cli.plugins import new_plugin, olive_config, plugins
from theseus_plugin.cli.relations import explain, rank
from theseus_plugin.cli.training import compress, fit, tune
from theseus_plugin.console import message
from theseus_plugin.launching.ranks import is_first_process, leave_process_group, tell_launcher

_PATIENCE = 30
"""Seconds that other processes leave the first one to tell a mistake before they tell it themselves."""


def main(arguments: Sequence[str] | None = None, prog_name: str = "theseus-plugin") -> None:
    """Entry point: what the user can mend becomes one line and an exit status, 2 unless it says otherwise.

    Args:
        arguments: of the command; None: those of this process.
        prog_name: the command as help texts show it.
    """
    open_streams()
    try:
        with ended_by_signals():
            status = app(arguments, prog_name=prog_name, standalone_mode=False)
        ended = lost_output() or ("", status or 0)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(error.exit_code)
    except BaseException as error:
        found = lost_output() or told(error)
        if found is None:
            raise
        ended = found
        if not is_first_process() and getattr(error, "first_process_only", True):
            # The first process meets it too, and tells it: a launcher ends all of them as soon as one has failed.
            time.sleep(_PATIENCE)
    line, status = ended
    if line:
        _tell(line)
    sys.exit(status)


def _tell(line: str) -> None:
    said = f"error: {message(line)}"
    with suppress(OSError):  # there is no other place to say it
        click.echo(said, err=True)
    tell_launcher(said)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="theseus-plugin")
def app() -> None:
    """Compress fine-tuned transformers by progressive module replacing, and measure what that bought."""


@app.result_callback()
def leave(*_results: Any, **_options: Any) -> None:
    """What comes after every command that went well."""
    leave_process_group()


for _command in (fit, compress, tune, export, bench, attack, rank, explain, plugins, new_plugin, olive_config, demo):
    app.add_command(_command)
