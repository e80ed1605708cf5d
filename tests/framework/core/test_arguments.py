"""Arguments read, or refused with one clear line."""

from typing import Any

import numpy as np
import pytest

from lamina import Layer, Optimizer
from lamina.core.arguments import MOST, extent, flag, instance, number, one_of, whole
from lamina.errors import ArgumentError
from lamina.layers import Dense


def test_an_instance_is_handed_through_and_anything_else_named() -> None:
    layer = Dense(2)
    assert instance("Trainer", "model", layer, Layer) is layer
    for value, cls, message in (
        ("dense", Layer, "Trainer: expected model to be a Layer, got 'dense'"),
        (layer, Optimizer, "Trainer: expected model to be an Optimizer, got Dense(2)"),
        (Dense, Layer, f"Trainer: expected model to be a Layer, got {Dense!r}: write Dense(...)"),
    ):
        with pytest.raises(ArgumentError) as caught:
            instance("Trainer", "model", value, cls)
        assert str(caught.value) == message


@pytest.mark.parametrize(("value", "least"), [(1, 1), (7, 1), (0, 0), (np.int32(3), 1)])
def test_whole_numbers_are_taken(value: Any, least: int) -> None:
    got = whole("fit", "epochs", value, least)
    assert (type(got), got) == (int, value)


@pytest.mark.parametrize("value", [0, -1, True, 2.0, "3", None, float("nan")])
def test_what_is_no_whole_number_within_bounds_is_refused(value: Any) -> None:
    with pytest.raises(ArgumentError) as caught:
        whole("fit", "epochs", value)
    assert str(caught.value) == f"fit: expected epochs to be a whole number of 1 or more, got {value!r}"


def test_numbers_within_bounds_are_taken() -> None:
    got = number("ELU", "alpha", np.float32(0.5), above=0, most=0.5)
    assert (type(got), got) == (float, 0.5)
    assert number("Dropout", "rate", 0, least=0, below=1) == 0


@pytest.mark.parametrize(
    ("value", "bounds", "expected"),
    [
        (0, {"above": 0}, "above 0"),
        (1, {"least": 0, "below": 1}, "of at least 0 and below 1"),
        (1.5, {"least": 0, "most": 1}, "of at least 0 and of at most 1"),
        (-0.5, {"least": 0}, "of at least 0"),
        (float("nan"), {}, "that is finite"),
        (float("inf"), {}, "that is finite"),
        (True, {}, "that is finite"),
        ("1", {}, "that is finite"),
    ],
)
def test_what_is_no_number_within_bounds_is_refused(value: Any, bounds: dict[str, float], expected: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        number("ELU", "alpha", value, **bounds)
    assert str(caught.value) == f"ELU: expected alpha to be a number {expected}, got {value!r}"


@pytest.mark.parametrize(("value", "least"), [(MOST, 1), (np.int64(MOST), 0), (-MOST, None), (0, None), (1, 1)])
def test_extents_within_32_bits_are_taken(value: Any, least: int | None) -> None:
    got = extent("Dense", "units", value, least)
    assert (type(got), got) == (int, value)


@pytest.mark.parametrize(
    ("value", "least", "bound"),
    [
        (MOST + 1, 1, f"a whole number from 1 to {MOST}"),
        (2**63, 0, f"a whole number from 0 to {MOST}"),
        (10**400, 1, f"a whole number from 1 to {MOST}"),
        (-(2**63), None, f"a whole number from {-MOST} to {MOST}"),
        (np.uint64(2**63), None, f"a whole number from {-MOST} to {MOST}"),
        (0, 1, "a whole number of 1 or more"),
        (2.0, None, "a whole number"),
    ],
)
def test_extents_beyond_are_refused(value: Any, least: int | None, bound: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        extent("Dense", "units", value, least)
    assert str(caught.value).startswith(f"Dense: expected units to be {bound}, got ")


@pytest.mark.parametrize(
    "value", [10**5000, -(10**5000), "x" * 10**6, ["y"] * 10**6, np.zeros((50, 50)), "a\nb"], ids=range(6)
)
def test_no_value_makes_a_message_long_or_unprintable(value: Any) -> None:
    for check in (number, extent, flag) if isinstance(value, int) else (number, extent, flag, whole):
        with pytest.raises(ArgumentError) as caught:
            check("Dense", "units", value)
        assert len(str(caught.value)) < 500 and "\n" not in str(caught.value)
    with pytest.raises(ArgumentError) as caught:
        instance("Trainer", "model", value, Layer)
    assert len(str(caught.value)) < 500 and "\n" not in str(caught.value)
    with pytest.raises(ArgumentError) as caught:
        one_of("Dense", "kind", value, ["a", "b"])
    assert len(str(caught.value)) < 500
