"""Records that are committed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from theseus_plugin.files import write_json


def write_record(file: Path, record: Any) -> None:
    """Write a record as JSON, without the working folder in its paths: those mean nothing on another machine."""
    write_json(file, json.loads(json.dumps(record).replace(f"{Path.cwd()}/", "")))
