"""A callback that ends a run after so many steps."""

from typing import Any

import pytest

from lamina.testing.ending import EndAfter, Ended


@pytest.mark.parametrize("left", [1, 3])
def test_it_ends_with_the_step_that_is_asked_for(left: int) -> None:
    end, trainer = EndAfter(), None
    end.left = left
    given: Any = (trainer, 1, 1, None)
    for _ in range(left - 1):
        end.on_step_end(*given)
    with pytest.raises(Ended):
        end.on_step_end(*given)
    assert end.state_dict() == {} and not isinstance(Ended(), Exception)


def test_without_a_number_it_never_does() -> None:
    end, given = EndAfter(), (None, 1, 1, None)
    for _ in range(9):
        end.on_step_end(*given)  # type: ignore[arg-type]
