"""Features and units in groups."""

import pytest

from lamina.errors import ArgumentError, ShapeError
from lamina.kinds.groups import divide_features, divide_units
from lamina.layers import Dense


def test_what_each_group_has() -> None:
    assert divide_units("Mine", 6, 3) == 2
    assert divide_features(Dense(1), 6, 2, (None, None, 6)) == 3


def test_what_cannot_be_divided_is_refused() -> None:
    with pytest.raises(ArgumentError, match=r"^Mine: expected units that groups=4 divides, got 6$"):
        divide_units("Mine", 6, 4)
    with pytest.raises(ShapeError, match=r"^Dense: expected features that groups=4 divides, got \(batch, time, 6\)$"):
        divide_features(Dense(1), 6, 4, (None, None, 6))
