"""Hostile arrays: taken as plain ones are, or refused by type."""

import re
from collections import Counter
from typing import Any

import numpy as np
import pytest

from lamina.testing.fuzz import arrays
from lamina.testing.fuzz.arrays import make, outcome
from lamina.testing.fuzz.reading import FAILED


def test_hundreds_are_taken_or_refused() -> None:
    counts = Counter(outcome(make(np.random.default_rng((7, number)))) for number in range(500))
    assert not [one for one in counts if one.startswith(FAILED)]
    assert counts["taken"] > 200 and counts["refused: ShapeError"] > 20 and counts["refused: DTypeError"] > 20


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        (lambda x: x[::-1], "another result than of plain arrays"),
        (lambda x: 1 / 0, "ZeroDivisionError"),
        (lambda x: x.__setitem__(..., 0), "was written into"),
    ],
)
def test_a_model_that_takes_them_wrongly_is_noticed(broken: Any, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Break what oddly laid arrays come to: wrong values, another error, what is given written into."""

    def wrong(model: Any, given: Any) -> Any:
        x = given.x
        if isinstance(x, np.ndarray) and x.ndim and not x.flags.c_contiguous and x.flags.writeable:
            found = broken(x)
            x = x if found is None else found
        return call(model, given._replace(x=x))

    call = arrays._TASK["call"]
    monkeypatch.setitem(arrays._TASK, "call", wrong)
    found = [outcome(given) for given in map(make, map(np.random.default_rng, range(900))) if given.task == "call"]
    assert any(one.startswith(FAILED) and told in one for one in found)


def test_the_same_state_gives_the_same() -> None:
    for number in range(20):
        first, second = (make(np.random.default_rng(number)) for _ in range(2))
        assert re.sub("0x[0-9a-f]+", "", repr(first)) == re.sub("0x[0-9a-f]+", "", repr(second))
