"""Where a training run stands: in which epoch, after which of its steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from lamina.compose.states import map_state
from lamina.core.arguments import flag, number, whole
from lamina.errors import CheckpointError

__all__ = ["Place", "Whole"]


class Whole(NamedTuple):
    """States of all rows of a batch, of which a rank takes those of its own.

    Attributes
    ----------
    state : states
    """

    state: Any

    def part(self, first: int, rows: int) -> Any:
        """Return the states of some rows."""
        return map_state(lambda one: one[first : first + rows], self.state)


@dataclass
class Place:
    """Where a run stands between two steps.

    Attributes
    ----------
    epoch : int
        That it is in, or that comes next.
    steps : int
        How many the epoch has had.
    batches : int
        How many batches of the epoch were gone through to their end.
    start : int
        Of the batch after them: the step of time at which its next chunk begins, where batches are cut.
    carried : states, Whole or None
        That go from chunk to chunk. In the checkpoint of several ranks a list of those of each; so is the next.
    meter : object
        What `Meter.state` gave: the epoch's sums.
    order : object
        The state of the generator of orders at the epoch's beginning.
    turn : int
        How many items of its source's turn came before the epoch.
    seconds : float
        That the epoch has taken.
    begun : bool
        Whether it has begun: callbacks were told so.
    """

    epoch: int = 1
    steps: int = 0
    batches: int = 0
    start: int = 0
    carried: Any = None
    meter: Any = None
    order: Any = None
    turn: int = 0
    seconds: float = 0.0
    begun: bool = False

    def content(self) -> dict[str, Any]:
        """Return it as a dict by name."""
        return dict(vars(self))

    @classmethod
    def of(cls, content: Any) -> Place:
        """Return the place that a dict tells.

        Raises
        ------
        CheckpointError
            If it tells none.
        """
        known = set(vars(cls()))
        if not isinstance(content, dict) or set(content) != known:
            raise CheckpointError(f"expected a place of {', '.join(sorted(known))}, got {type(content).__name__}")
        for name in ("epoch", "steps", "batches", "start", "turn"):
            whole("place", name, content[name], least=1 if name == "epoch" else 0)
        flag("place", "begun", content["begun"])
        return cls(**content | {"seconds": number("place", "seconds", content["seconds"], least=0)})
