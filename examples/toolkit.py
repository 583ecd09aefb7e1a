"""A toolkit that knows no plugin by name. Without arguments: the methods installed and their options, one a line; with
JOB.json, {"predecessor": FOLDER, "successor": FOLDER, "task": {"name": ...}, "method": {"name": ...}}: the record.
"""

import json
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any


def create(group: str, name: str, **options: Any) -> Any:
    """The plugin that a section of a job names, with its options."""
    points = list(entry_points(group=f"model_compression.{group}", name=name))
    if len(points) != 1:
        sys.exit(f"{len(points)} of {group} are named {name!r}: there must be one")
    plugin = points[0].load()
    try:
        return plugin(plugin.Config.model_validate(options))
    except ValueError as error:
        sys.exit(f"{name}: {error}")


if not sys.argv[1:]:
    for point in entry_points(group="model_compression.methods"):
        try:
            found = {"summary": point.load().summary, "schema": point.load().Config.model_json_schema()}
        except Exception as error:  # one broken plugin hides no other
            found = {"broken": str(error)}
        sys.stdout.write(json.dumps({"name": point.name, **found}) + "\n")
for path in sys.argv[1:]:
    job = json.loads(Path(path).read_text(encoding="utf-8"))
    try:
        method, task = create("methods", **job["method"]), create("tasks", **job["task"])
        json.dump(method.compress(job["predecessor"], job["successor"], task), sys.stdout)
    except Exception as error:
        if getattr(error, "mendable", False):
            sys.exit(str(error))
        raise
