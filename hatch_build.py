"""Build hook: `entry_points.toml` becomes the entry points of the distribution."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface


class EntryPointsHook(MetadataHookInterface):  # type: ignore[misc]
    """Fills the dynamic fields `scripts` and `entry-points` from the one list."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Add the groups of `entry_points.toml` to the project's metadata."""
        groups = tomllib.loads(Path(self.root, "entry_points.toml").read_text(encoding="utf-8"))
        metadata["scripts"] = groups.pop("console_scripts")
        metadata["entry-points"] = groups
