"""Records as `bench` gives them, made by hand."""

from __future__ import annotations

from typing import Any

SHA = "0123456789abcdef" * 4
CONTROL = {"median": 1.001, "interval": [0.988, 1.010], "rounds": [0.99, 1.0, 1.01], "clear": False}


def ratio(median: float, width: float = 0.02) -> dict[str, Any]:
    """A ratio with an interval of `width` on both sides of its median, as a share of it."""
    low, high = median * (1 - width), median * (1 + width)
    return {"median": median, "interval": [low, high], "rounds": [low, median, high], "clear": not low <= 1 <= high}


def summary(ms: float) -> dict[str, Any]:
    return {
        "median_ms": ms,
        "interval_ms": [0.99 * ms, 1.01 * ms],
        "mad_ms": 0.01 * ms,
        "count": 700,
        "p90_ms": 1.1 * ms,
        "round_medians_ms": [0.99 * ms, ms, 1.01 * ms],
    }


def shape(ms: float, times: float, control: bool = True) -> dict[str, Any]:
    """What was timed at one shape, by a model `times` as fast as the first."""
    first_call = {"first_call_ms": 3 * ms, "warmup_calls": 12, "warmup_ms": 12 * ms}
    fast = {"median": 1.0, "interval": [1.0, 1.0], "rounds": [1.0], "clear": False} if times == 1 else ratio(times)
    return {**summary(ms), **first_call, "times_as_fast": fast, **({"control": CONTROL} if control else {})}


def latency(times: float, shapes: dict[str, float] | None = None, control: bool = True) -> dict[str, Any]:
    """Latency of a model `times` as fast everywhere as a first one that takes `shapes` ms."""
    shapes = shapes or {"1x16": 2.654, "1x64": 8.96, "1x128": 17.8, "32x64": 261.4}
    own, tokenise = 4.9, 0.31
    return {
        "device": "cpu",
        "threads": 2,
        "cores": 2,
        "spinning": False,
        "load_ms": 120.4,
        "shapes": {name: shape(ms / times, times, control) for name, ms in shapes.items()},
        "task": {
            **shape(own / times, times, control),
            "examples": 256,
            "lengths": {"min": 5, "median": 28, "max": 60},
        },
        "end_to_end": {
            "tokenise": summary(tokenise),
            "total": summary(own / times + tokenise),
            "times_as_fast": shape(1, (own + tokenise) / (own / times + tokenise))["times_as_fast"],
        },
        "machine": {"load_before": 0.1, "load_after": 1.9, "others_cores": 0.01, "busy": False},
    }


def accuracy(value: float, first: float, metric: str = "accuracy") -> dict[str, Any]:
    """A metric, 1.9 points of interval around it, and 0.8 around its difference to `first`."""
    apart = value - first
    reach = 0.008 if apart else 0.0
    return {
        "metric": metric,
        "metrics": {metric: value},
        "intervals": {metric: [value - 0.019, value + 0.019]},
        "difference": {metric: {"value": apart, "interval": [apart - reach, apart + reach]}},
        "examples": 1556,
        "truncated": 4,
        "device": "cpu",
        "threads": 2,
    }


def size(megabytes: float, blocks: int = 6) -> dict[str, Any]:
    return {
        "bytes": round(megabytes * 1e6),
        "parameters": 22_710_000,
        "parameters_by_dtype": {"float32": 22_710_000},
        "blocks": blocks,
    }


def memory(megabytes: float) -> dict[str, Any]:
    return {
        "baseline_bytes": 40_000_000,
        "loaded_bytes": round(megabytes * 0.8e6),
        "peak_bytes": round(megabytes * 1e6),
        "shape": "32x64",
    }


def row(
    model: str,
    score: float,
    times: float,
    megabytes: float,
    blocks: int = 6,
    first: float = 0.8273,
    runtime: str = "onnxruntime",
    precision: str = "fp32",
) -> dict[str, Any]:
    """A model with everything measured."""
    parts = {
        "accuracy": accuracy(score, first),
        "latency": latency(times),
        "size": size(megabytes, blocks),
        "memory": memory(2.2 * megabytes),
    }
    facts = {"file": f"{model}/model.onnx", "sha256": SHA}
    kind = {"model": model, "runtime": runtime, "precision": precision}
    return {**kind, **{name: {**part, **facts} for name, part in parts.items()}}


def only(records: list[dict[str, Any]], *parts: str) -> list[dict[str, Any]]:
    """The records without what other evaluators wrote."""
    return [{k: v for k, v in r.items() if k in ("model", "runtime", "precision", *parts)} for r in records]


def two() -> list[dict[str, Any]]:
    """A predecessor, and a successor with half its blocks."""
    return [
        row("runs/demo/predecessor", 0.8273, 1, 90.9),
        row("runs/demo/successor", 0.8219, 2.26, 47.4, blocks=3),
    ]


def six() -> list[dict[str, Any]]:
    """Both in fp32 and int8, and the successor's checkpoint in PyTorch twice, under long paths."""
    place = "/data/experiments/2026-06-compression/rotten-tomatoes/MiniLM-L6-H384-uncased"
    eager = {"runtime": "torch-eager", "blocks": 3}
    return [
        row(f"{place}/predecessor-onnx", 0.8273, 1, 90.9),
        row(f"{place}/predecessor-onnx-int8-dynamic", 0.8266, 1.99, 23.1, precision="int8-dynamic"),
        row(f"{place}/successor-onnx", 0.8219, 2.26, 47.4, blocks=3),
        row(f"{place}/successor-onnx-int8-dynamic", 0.8222, 4.2, 12.3, blocks=3, precision="int8-dynamic"),
        row(f"{place}/successor", 0.8219, 1.004, 47.3, **eager),
        row(f"{place}/successor", 0.8219, 1.61, 47.3, **{**eager, "runtime": "torch-compiled"}),
    ]
