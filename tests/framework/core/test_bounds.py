"""How large a file's architecture may be."""

from typing import Any

import pytest

from lamina.core.bounds import (
    MOST_DEPTH,
    MOST_NESTING,
    MOST_NUMBERS,
    MOST_PARTS,
    MOST_STEPS,
    Budget,
    require_bounded,
    require_plain,
)
from lamina.errors import CheckpointError
from lamina.layers import Dense


def part(*inner: Any, name: str = "Tanh") -> dict[str, Any]:
    return {"layer": name, "config": {"layers": list(inner)}}


def nested(depth: int) -> Any:
    found = part()
    for _ in range(depth - 1):
        found = part(found)
    return found


def once(kind: str, name: Any) -> int:
    return 1


def test_depth_and_count_are_bounded_exactly() -> None:
    require_bounded(nested(MOST_DEPTH), once)
    require_bounded(part(*[part() for _ in range(MOST_PARTS - 1)]), once)
    with pytest.raises(CheckpointError, match=f"^the architecture: expected layers at most {MOST_DEPTH} deep"):
        require_bounded(nested(MOST_DEPTH + 1), once)
    with pytest.raises(CheckpointError, match=f"^the architecture: expected at most {MOST_PARTS} layers and init"):
        require_bounded(part(*[part() for _ in range(MOST_PARTS)]), once)


def doubled(times: int) -> Any:
    """Return what stands twice in what stands twice, and so on: 2 ** times leaves in a few lines."""

    def level(number: int) -> Any:
        return part(level(number + 1), {"same": number + 1}) if number < times else part()

    return level(0)


def test_what_stands_in_several_places_counts_in_each() -> None:
    require_bounded(doubled(11), once)
    with pytest.raises(CheckpointError, match=r"counted wherever they stand$"):
        require_bounded(doubled(24), once)


def test_what_is_named_by_number_is_as_deep_as_it_is() -> None:
    flat = part(part(), *[part({"same": number + 1}) for number in range(2 * MOST_DEPTH)])
    with pytest.raises(CheckpointError, match="deep in each other"):
        require_bounded(flat, once)


def test_a_class_that_copies_its_parts_counts_them_so_often() -> None:
    deep = nested(16)
    require_bounded(deep, once)
    with pytest.raises(CheckpointError, match="wherever they stand"):
        require_bounded(deep, lambda kind, name: 2 if (kind, name) == ("layer", "Tanh") else 1)


@pytest.mark.parametrize("value", [None, 3, "x", [], {}, {"same": -1}, {"same": "x"}, {"same": 3}, {"layer": 1}])
def test_what_is_no_description_is_left_to_who_rebuilds(value: Any) -> None:
    require_bounded(value, once)
    require_bounded(part(value), once)


def test_json_may_nest_so_deep() -> None:
    value: Any = []
    for _ in range(MOST_NESTING - 1):
        value = {"a": value} if isinstance(value, list) else [value]
    require_plain(value, "facts")
    with pytest.raises(CheckpointError, match=f"^facts: expected lists and objects at most {MOST_NESTING} deep"):
        require_plain([value], "facts")


def test_a_budget_ends_and_knows_how_large_a_row_may_be() -> None:
    budget, layer = Budget(), Dense(2)
    budget(layer, ((None, None, MOST_NUMBERS),))
    with pytest.raises(CheckpointError, match=r"^Dense: expected at most \d+ numbers a row, got \(batch, 2, "):
        budget(layer, ((None, 2, MOST_NUMBERS),))
    with pytest.raises(CheckpointError, match=f"at most {MOST_STEPS} inputs and outputs"):
        for _ in range(MOST_STEPS):
            budget(layer, ((None, 2),))
