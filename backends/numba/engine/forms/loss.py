"""What compiled forms of losses share: the targets, over how many terms the mean is, and the record."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.backends.numba.engine.forms.form import Form, fields
from lamina.backends.numba.engine.frames import frame_at
from lamina.backends.numba.engine.memory import array_at, compiled, integers_at, record_at
from lamina.backends.numba.engine.room import Room, Task
from lamina.backends.program import Call

__all__ = ["COUNT", "LOSS", "LossForm", "terms_of"]

#: ``prediction`` (terms, features); ``target`` (terms,) int64 or (terms, features); ``weights`` (terms,) or 0;
#: ``share`` and ``total`` are addresses of a float64: by what each term is multiplied, where the loss is written.
LOSS = "frame sequence features prediction target weights gradient share total"

#: ``terms`` is the address of a float64 to which this block's number of terms, or sum of weights, is added.
COUNT = fields("frame sequence target weights ignoring ignored terms")

_count_at = record_at(COUNT)


class LossForm(Form):
    """A loss over terms: rows, or the steps of them, that are each computed by themselves.

    Its function ``compute`` writes the block's sum of terms and the gradient of the prediction.

    Parameters
    ----------
    call : Call
        Of a prediction, a target and, if there are any, weights.
    room : Room
    share, terms, total : int
        Addresses: see LOSS and COUNT.
    """

    #: The fields of its record beside those of LOSS.
    further = ""

    def __init__(self, call: Call, room: Room, share: int, terms: int, total: int) -> None:
        super().__init__(call, room)
        prediction, target, *weights = call.inputs
        common = {
            "frame": room.frame(prediction.frame),
            "sequence": prediction.frame is not None,
            "target": room.value(target),
            "weights": room.value(weights[0]) if weights else 0,
        }
        ignored = call.options.get("ignore_index")
        self.count = room.record(
            COUNT, **common, ignoring=ignored is not None, ignored=ignored if ignored is not None else 0, terms=terms
        )
        self.record = room.record(
            fields(f"{LOSS} {self.further}"),
            **common,
            features=prediction.features,
            prediction=room.value(prediction),
            share=share,
            total=total,
            **self.settings(),
        )

    def settings(self) -> dict[str, int]:
        """Return what the further fields of the record are."""
        return {}

    def counting(self) -> list[Task]:
        """Return what counts the terms."""
        return [Task("forms.loss", f"count_{self.room.dtype}", self.count)]

    def forward(self) -> list[Task]:
        """Return nothing: loss and gradient are computed together."""
        return []

    def backward(self) -> list[Task]:
        """Return the one task."""
        self.record["gradient"] = self.room.downstream(self.call.inputs[0])
        return [self.task("compute", self.record)]


@compiled
def terms_of(p: Any) -> Any:
    """Return how many terms a block's loss has."""
    frame = frame_at(p.frame)
    return frame.total if p.sequence else frame.rows


@compiled
def _count(address: Any, dtype: Any) -> None:
    p = _count_at(address)
    count, found = terms_of(p), 0.0
    target, weights = integers_at(p.target, count), array_at(p.weights, count, dtype)
    for k in range(count):
        if p.ignoring == 0 or target[k] != p.ignored:
            found += weights[k] if p.weights != 0 else dtype(1)
    array_at(p.terms, 1, np.float64)[0] += found


def count_float32(address: Any) -> None:
    """Add up the terms, or their weights."""
    _count(address, np.float32)


def count_float64(address: Any) -> None:
    """Add up the terms, or their weights."""
    _count(address, np.float64)
