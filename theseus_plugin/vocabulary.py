"""The words for what runs a model, where, in what precision and on what: one list each, for all rooms.

Importing this module imports nothing heavy.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    import numpy as np

Device = Literal["cpu", "cuda", "tensorrt"]
"""Where a model is measured."""
GraphDevice = Literal["cpu", "cuda"]
"""What an exported graph is arranged for."""
Runtime = Literal["onnxruntime", "torch-eager", "torch-compiled"]
"""What runs a model."""
ExportPrecision = Literal["fp32", "fp16", "int8-dynamic", "int8-static"]
"""What an export writes: 8-bit ranges are found in each call (dynamic) or once, on training examples (static)."""
Precision = Literal["fp32", "fp16", "int8-dynamic", "int8-static", "mixed"]
"""What a model computes in; `mixed`: 8 bits and fp16. A method with a format of its own may have another word for
it, see `is_precision`."""
Batch: TypeAlias = "Mapping[str, np.ndarray]"
"""Arrays by input name, the first axis being that of the examples."""


def is_precision(value: object) -> bool:
    """Whether a value is a word that can stand for a precision: small letters, digits and hyphens."""
    return isinstance(value, str) and re.fullmatch(r"[a-z0-9][a-z0-9-]{0,31}", value) is not None
