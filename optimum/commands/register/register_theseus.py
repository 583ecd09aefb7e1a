"""`optimum-cli theseus ...`: every command of theseus-plugin, inside Optimum's command line.

Optimum 2 imports each file of the folder `optimum/commands/register`, whichever distribution brought it, and registers
the commands it finds in `REGISTER_COMMANDS`. The folders hold no `__init__.py`: they are shared with Optimum. What is
raised here would end every command of `optimum-cli`, so nothing is: the import is guarded, and theseus-plugin itself is
imported when its command runs.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import suppress
from typing import Any

REGISTER_COMMANDS: list[type] = []

with suppress(Exception):  # without Optimum, or with one of another interface, there is nothing to register
    from optimum.commands.base import BaseOptimumCLICommand, CommandInfo

    class TheseusCommand(BaseOptimumCLICommand):  # type: ignore[misc]
        """Hands its arguments on as they are."""

        COMMAND = CommandInfo(name="theseus", help="Compress fine-tuned transformers by progressive module replacing.")

        def __init__(self, *given: Any, **named: Any) -> None:
            # Optimum registers the file once for each folder on the path that holds it, and argparse takes a name once.
            with suppress(argparse.ArgumentError):
                super().__init__(*given, **named)

        @staticmethod
        def parse_args(parser: argparse.ArgumentParser) -> None:
            """Take everything, options and `--help` too."""
            parser.prefix_chars = ""  # to this parser nothing is an option
            parser.add_argument("arguments", nargs=argparse.REMAINDER)

        def run(self) -> None:
            """Run the command; ends the process where its own command line would."""
            try:
                from theseus_plugin.cli import main
            except Exception as error:
                reason = " ".join(f"{type(error).__name__}: {error}".split())
                sys.exit(f"error: theseus-plugin cannot be imported ({reason}): reinstall it")
            main(self.args.arguments, "optimum-cli theseus")

    REGISTER_COMMANDS.append(TheseusCommand)
