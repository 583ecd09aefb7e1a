"""What a measuring process and its parent write to each other: lines of JSON, arrays included."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import numpy as np

_ARRAY = "__npy__"


def encode(value: Any) -> bytes:
    """`value` as one line; arrays in it may stand wherever JSON allows a value."""
    return json.dumps(value, default=_from_array).encode() + b"\n"


def decode(line: bytes) -> Any:
    """What was encoded."""
    return json.loads(line, object_hook=_to_array)


def _from_array(value: Any) -> dict[str, str]:
    if not isinstance(value, np.ndarray):
        raise TypeError(f"{type(value).__name__} cannot be sent to a measuring process")
    stream = io.BytesIO()
    np.save(stream, value, allow_pickle=False)
    return {_ARRAY: base64.b64encode(stream.getvalue()).decode()}


def _to_array(value: dict[str, Any]) -> Any:
    if value.keys() != {_ARRAY}:
        return value
    return np.load(io.BytesIO(base64.b64decode(value[_ARRAY])), allow_pickle=False)
