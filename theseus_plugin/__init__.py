"""Compress fine-tuned transformers by progressive module replacing, and measure what that bought."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["UserError", "attack", "bench", "compress", "explain", "export", "fit", "load_recipe", "rank", "tune"]

if TYPE_CHECKING:
    from theseus_plugin.api import attack, bench, compress, explain, export, fit, rank, tune
    from theseus_plugin.errors import UserError
    from theseus_plugin.recipe import load_recipe


def __getattr__(name: str) -> Any:
    """Import the public functions when they are first used: `import theseus_plugin` stays cheap."""
    import importlib

    homes = {"UserError": "errors", "load_recipe": "recipe"}
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{homes.get(name, 'api')}"), name)
