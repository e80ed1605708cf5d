"""How often a checkpoint is written."""

from typing import Any

import pytest

from lamina.checkpoints.every import Every
from lamina.errors import ArgumentError


@pytest.mark.parametrize(
    ("value", "amount", "unit"),
    [
        (7, 7, "step"), ("7 steps", 7, "step"), ("1 step", 1, "step"), ("1 epoch", 1, "epoch"),
        (" 2  epochs ", 2, "epoch"),
        ("10 minutes", 600, "second"), ("0.5 hours", 1800, "second"), ("3seconds", 3, "second"),
        ("1 hour", 3600, "second"),
    ],
)  # fmt: skip
def test_what_is_read(value: Any, amount: float, unit: str) -> None:
    found = Every(value)
    assert (found.amount, found.unit) == (amount, unit)


@pytest.mark.parametrize(
    "value",
    [
        0, -1, True, None, 1.5, "", "epochs", "2", "2 weeks", "0 steps", "1.5 epochs", "0 minutes", "-3 steps",
        "nan hours",
        "1e9 steps", "٢ steps", "9" * 400 + " hours", b"2 steps", [2], "2 steps and more", "2 stepss",
    ],
)  # fmt: skip
def test_what_is_refused(value: Any) -> None:
    with pytest.raises(ArgumentError, match="every: expected a number of steps"):
        Every(value)


def test_when_it_is_due() -> None:
    assert [n for n in range(10) if Every(3).is_due(steps=n)] == [3, 6, 9]
    assert [n for n in range(5) if Every("2 epochs").is_due(epochs=n)] == [2, 4]
    assert [n for n in range(3) if Every("2 seconds").is_due(steps=1, epochs=1, seconds=n)] == [2]
    assert not Every("1 epoch").is_due(steps=5, seconds=1e9) and not Every(5).is_due(epochs=5, seconds=1e9)
