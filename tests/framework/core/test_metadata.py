"""What a model file says beside its weights."""

import json
from typing import Any

import pytest

from lamina.core.bounds import MOST_ARGUMENTS, MOST_FACTS_NESTING, MOST_VALUES
from lamina.core.metadata import read_json, read_metadata
from lamina.errors import CheckpointError

SOUND = {
    "architecture": '{"layer": "Tanh", "config": {}}',
    "input_shapes": "[[null, 2]]",
    "dtype": "float64",
    "facts": '{"epochs": 3}',
    "ties": '{"1.w": "0.w"}',
    "frozen": '["0.b"]',
}


def test_it_is_read_as_what_it_is() -> None:
    found = read_metadata(SOUND)
    assert found == (
        {"layer": "Tanh", "config": {}}, [[None, 2]], "float64", {"epochs": 3}, {"1.w": "0.w"}, frozenset(["0.b"]),
    )  # fmt: skip


@pytest.mark.parametrize("name", SOUND)
def test_an_entry_that_is_missing_is_named(name: str) -> None:
    without = {key: text for key, text in SOUND.items() if key != name}
    with pytest.raises(CheckpointError) as caught:
        read_metadata(without)
    assert str(caught.value) == f"damaged metadata (there is no entry {name!r})"


WRONG = (
    "",
    "{",
    "3",
    '"x"',
    "null",
    "true",
    "9" * 5000,
    "[" * 10**5,
    '{"a":' * 300 + "1" + "}" * 300,
    "[1e999,",
    "\ud800",
)


@pytest.mark.parametrize("name", [name for name in SOUND if name not in ("architecture", "dtype")])
@pytest.mark.parametrize(
    "text", [*WRONG, "{}", "[]", "[3]", '{"a": 3}', '{"a": []}', "[[]]"], ids=lambda text: text[:9]
)
def test_an_entry_of_another_kind_is_refused(name: str, text: str) -> None:
    try:
        found: Any = read_metadata({**SOUND, name: text})
    except CheckpointError as error:
        assert str(error).startswith("damaged metadata (") and "\n" not in str(error)
        assert len(str(error)) < 300
    else:
        kind = {"input_shapes": list, "facts": dict, "ties": dict, "frozen": frozenset}[name]
        assert isinstance(getattr(found, name), kind)
        assert not isinstance(json.loads(text), int)


def test_too_many_values_are_refused_before_they_are_made() -> None:
    assert len(read_json(json.dumps([[]] * 1000), "facts")) == 1000
    for what, most in (("architecture", MOST_ARGUMENTS), ("facts", MOST_VALUES)):
        with pytest.raises(CheckpointError, match=f"^{what}: expected at most {most} values$"):
            read_json("[" + "[]," * most, what)  # no JSON: it is not read


def test_facts_nest_less_deep_than_layers_do() -> None:
    text = "[" * (MOST_FACTS_NESTING + 1) + "]" * (MOST_FACTS_NESTING + 1)
    read_json(text, "architecture")
    with pytest.raises(CheckpointError, match="deep in each other"):
        read_json(text, "facts")
