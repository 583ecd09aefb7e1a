"""Suites that answer a question each; their records are committed in `benchmarks/results/`.

    python -m benchmarks SUITE            # measure what has no record yet, and print what is recorded
    python -m benchmarks SUITE --check    # measure nothing; exit 1 where a target is missed
    python -m benchmarks SUITE --write    # collect what was measured, to be committed
    python -m benchmarks SUITE --help     # what else it takes

What was measured lies in `runs/results/` until it is collected.
"""

from __future__ import annotations

import argparse
import sys
from importlib import import_module

SUITES = {
    "recipes": "what the recipes of examples/ and the demo give",
    "glue": "replacing against what people would do instead",
    "successors": "checkpoints in every precision once they are exported, beside other exports",
    "operators": "whether fused nodes are faster than their parts on this CPU",
    "loop": "the replacing loop against the authors', and against its own limit",
    "relations": "whether a compressed encoder judges facts as well, and how fast that is",
    "attack": "whether a successor is as robust as its predecessor, and how fast the attack is",
}
"""What each is about. The `main` of its module, or of its package's `__main__`, reads the rest of the command line."""
_PACKAGES = ("glue", "relations", "attack")


def main() -> None:
    """Run the suite that is named."""
    told = "\n".join(f"  {name:<12}{question}" for name, question in SUITES.items())
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=f"{__doc__}\nsuites:\n{told}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="%(prog)s SUITE ...",
    )
    parser.add_argument("suite", choices=SUITES, metavar="SUITE", help="one of these")
    parser.add_argument("rest", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    asked = parser.parse_args(sys.argv[1:] or ["--help"])
    sys.argv[1:] = asked.rest
    module = f"{asked.suite}.__main__" if asked.suite in _PACKAGES else asked.suite
    import_module(f"benchmarks.{module}").main()


if __name__ == "__main__":
    main()
