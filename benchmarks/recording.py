"""Records that are committed, and what is made once for them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from theseus_plugin.files import write_json


def write_record(file: Path, record: Any) -> None:
    """Write a record as JSON, without the working folder in its paths: those mean nothing on another machine."""
    write_json(file, json.loads(json.dumps(record).replace(f"{Path.cwd()}/", "")))


def once(folder: Path, make: Callable[[], Any]) -> None:
    """Make a folder, unless it is there."""
    if not folder.exists():
        make()
