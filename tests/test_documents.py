"""What YAML and JSON mean here, and that nothing which is right is refused."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
import yaml

from theseus_plugin.errors import UserError
from theseus_plugin.options.documents import parse_yaml, read_document
from theseus_plugin.options.plain import plain, shown


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2024-02-30", "2024-02-30"),
        ("2024-01-31", "2024-01-31"),
        ("1:30", "1:30"),
        ("010", "010"),
        ("[yes, no, on, off, y, n]", ["yes", "no", "on", "off", "y", "n"]),
        ("[true, True, FALSE, null, ~, ]", [True, True, False, None, None]),
        ("[1_000, 0x1F, 0o17, 0b11, -5, +5, 0]", [1000, 31, 15, 3, -5, 5, 0]),
        ("[1e-4, 1.5, -.5, 1., 2E3, 0.10]", [0.0001, 1.5, -0.5, 1.0, 2000.0, 0.1]),
        ("'5'", "5"),
        ("!!str 5", "5"),
        ("!!float 5", 5.0),
        ("'<<'", "<<"),
        ("", None),
        ("# nothing", None),
        ("a: &x [1, 2]\nb: *x", {"a": [1, 2], "b": [1, 2]}),
        ("a: &x {p: 1, q: 2}\nb: {<<: *x, q: 3}", {"a": {"p": 1, "q": 2}, "b": {"p": 1, "q": 3}}),
        ("b: {<<: [{p: 1}, {p: 2, q: 3}], r: 4}", {"b": {"p": 1, "q": 3, "r": 4}}),
        ("a: |\n  two\n  lines\n", {"a": "two\nlines\n"}),
        ("emoji: \U0001f600", {"emoji": "\U0001f600"}),
    ],
)
def test_what_a_text_means(text: str, value: Any) -> None:
    found = parse_yaml(text)
    assert found == value
    assert type(found) is type(value)


def test_an_alias_is_a_copy() -> None:
    found = parse_yaml("a: &x [1]\nb: *x")
    found["a"].append(2)
    assert found["b"] == [1]


@pytest.mark.parametrize("path", sorted((Path(__file__).parents[1] / "examples").glob("*.yaml")), ids=lambda p: p.stem)
def test_our_examples_mean_what_another_reader_says(path: Path) -> None:
    found = read_document(path)
    # YAML 1.1 takes 1e-4 for a text
    assert json.loads(json.dumps(found), parse_float=float) == _numbers(yaml.safe_load(path.read_text()))


def _numbers(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_numbers(item) for item in value]
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


def test_json_that_is_no_yaml(tmp_path: Path) -> None:
    content = {"a": "\U0001f600/", "b": [1, 2.5, None, True]}
    file = tmp_path / "recipe.json"
    file.write_text(json.dumps(content, indent="\t").replace("/", "\\/"))  # tabs, halves of characters, \/
    assert read_document(file) == content


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_byte_order_mark_is_none_of_the_first_key(tmp_path: Path, mark: bytes) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_bytes(mark + b"model: x\n")
    assert read_document(file) == {"model": "x"}


def test_values_of_python_programs() -> None:
    given = MappingProxyType(
        {
            "path": Path("a/b"),
            "pair": (1, 2),
            "share": np.float32(0.5),
            "count": np.int64(3),
            "day": datetime.date(2024, 1, 31),
        }
    )
    found = plain(given)
    assert found == {"path": "a/b", "pair": [1, 2], "share": 0.5, "count": 3, "day": "2024-01-31"}
    assert [type(value) for value in found.values()] == [str, list, float, int, str]


def _in_itself() -> Any:
    value: dict[str, Any] = {}
    value["a"] = [value]
    return value


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (_in_itself(), "stands in itself"),
        ({"a": {1: 2}}, "a: the key 1 is no text"),
        ({"a": [0, {1}]}, r"a\.1: \{1\} is of type set"),
        ({"a": b"x"}, "a: b'x' is of type bytes"),
        ({"a": object}, "a: .* is of type type"),
        ({"a": np.float64("nan")}, "a: nan is no finite number"),
        ({"a": float("-inf")}, "a: -inf is no finite number"),
        ({"a": 10**5000}, "a: a number of more than 100 digits"),
        ({"a": "\0"}, "a: .* null character or half"),
        ({"\ud800": 1}, "null character or half a character"),
        ([0] * 200_000, "more than 100,000 values"),
    ],
)
def test_what_json_cannot_hold(value: Any, said: str) -> None:
    with pytest.raises(UserError, match=said) as caught:
        plain(value)
    assert str(caught.value).isprintable()


def test_a_value_in_a_message_is_one_short_line() -> None:
    class Odd:
        def __repr__(self) -> str:
            raise ValueError

    for value in ("a\nb\x1b", "x" * 500, 10**5000, Odd(), ["\n"] * 500):
        assert shown(value).isprintable()
        assert len(shown(value)) <= 80
