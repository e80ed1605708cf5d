"""What compiled forms of losses share: the targets, over how many terms the mean is, the record, and the loops."""

from __future__ import annotations

from typing import Any

import numpy as np

from lamina.backends.numba.engine.algebra import size_of
from lamina.backends.numba.engine.forms.form import Form, fields
from lamina.backends.numba.engine.frames import frame_at, rows_of
from lamina.backends.numba.engine.memory import (
    array_at,
    array_or,
    compiled,
    integers_at,
    named,
    record_at,
    separate,
    summing,
    uint,
)
from lamina.backends.numba.engine.room import Room, Task, address_of_array
from lamina.backends.program import Call

__all__ = ["LossForm", "loss_at", "make_compute", "make_elementwise", "numbers_of"]

#: ``prediction`` (terms, features); ``target`` (terms,) int64 where ``labelled``, else (terms, wide); ``weights``
#: (terms,) or 0, spread from ``row_weights`` (rows,) where these are given. ``share``, ``total`` and ``terms`` are
#: addresses of a float64: by what each term is multiplied, where the loss is written, and to which the number of terms,
#: or their weights, is added.
#: ``numbers`` is that of float64 settings, ``first`` and ``second`` those of settings for each class or output, or 0.
LOSS = fields(
    "frame sequence features wide labelled prediction target weights row_weights gradient share total terms ignoring "
    "ignored numbers first second"
)
loss_at = record_at(LOSS)

_NUMBERS = 4


class LossForm(Form):
    """A loss over terms: rows, or the steps of them, that are each computed by themselves.

    Its function writes the block's sum of terms and the gradient of the prediction.

    Parameters
    ----------
    call : Call
        Of a prediction, a target and, if there are any, weights.
    room : Room
    share, terms, total : int
        Addresses: see LOSS.
    """

    #: Whether targets are labels; None where they may be labels or distributions.
    labels: bool | None = False

    def __init__(self, call: Call, room: Room, share: int, terms: int, total: int) -> None:
        super().__init__(call, room)
        prediction, target, *weights = call.inputs
        ignored = call.options.get("ignore_index") if target.integers else None
        numbers = room.take(_NUMBERS, np.float64)
        own = self.numbers()
        numbers[: len(own)] = own
        self.record = room.record(
            LOSS,
            features=prediction.features,
            wide=target.features,
            labelled=target.integers,
            prediction=room.value(prediction),
            target=room.value(target),
            share=share,
            total=total,
            terms=terms,
            ignoring=ignored is not None,
            ignored=0 if ignored is None else ignored,
            numbers=address_of_array(numbers),
            **room.extent(prediction),
        )
        for name, values in zip(("first", "second"), self.arrays(), strict=False):
            if values is not None:
                kept = room.take(len(values))
                kept[:] = values
                self.record[name] = address_of_array(kept)
        if weights:
            given = room.value(weights[0])
            of_rows = weights[0].frame is None and prediction.frame is not None
            self.record["row_weights"] = given if of_rows else 0
            self.record["weights"] = room.floats(room.most(prediction)) if of_rows else given

    @classmethod
    def refuses(cls, call: Call) -> str:
        """Return why a call has no compiled form."""
        prediction, target, *_ = call.inputs
        if call.options.get("reduction", "mean") == "none":
            return "of each term alone"
        if cls.labels is not None and target.integers is not cls.labels:
            return "of distributions" if cls.labels else "of labels"
        if not target.integers and target.features != cls.target_features(call):
            return f"of {prediction.features} outputs for {target.features} targets"
        return ""

    @classmethod
    def target_features(cls, call: Call) -> int:
        """Return how many features a target has that is no label."""
        return call.inputs[0].features

    def numbers(self) -> list[float]:
        """Return the settings that are numbers, four at most."""
        return []

    def arrays(self) -> list[Any]:
        """Return the settings of each class or output, two at most; None where there is none."""
        return []

    def counting(self) -> list[Task]:
        """Return what counts the terms."""
        return [Task("forms.loss", f"count_{self.room.dtype}", self.record)]

    def forward(self) -> list[Task]:
        """Return nothing: loss and gradient are computed together."""
        return []

    def backward(self) -> list[Task]:
        """Return the one task."""
        (prediction, *_) = self.call.inputs
        place = self.room.downstream(prediction)
        features = prediction.features
        self.record["gradient"] = place or self.room.floats(self.room.most(prediction) * features)
        return [self.task(self.function(), self.record)]

    def function(self) -> str:
        """Return the name of the compiled function, without the dtype."""
        return self.call.kernel


@compiled
def _spread(p: Any, dtype: Any) -> None:
    """Give each step the weight of its row."""
    frame = frame_at(p.frame)
    counts, offsets = integers_at(frame.counts, frame.steps), integers_at(frame.offsets, frame.steps)
    rows, weights = array_at(p.row_weights, frame.rows, dtype), array_at(p.weights, frame.total, dtype)
    for t in range(frame.steps):
        for k in range(counts[t]):
            weights[offsets[t] + k] = rows[k]


@compiled
def _count(address: Any, dtype: Any) -> None:
    p = loss_at(address)
    if p.row_weights != 0:
        _spread(p, dtype)
    count, found = rows_of(p), 0.0
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


@compiled
def numbers_of(p: Any) -> Any:
    """Return the settings that are numbers."""
    return array_at(p.numbers, _NUMBERS, np.float64)


def _name_of(function: Any) -> str:
    """Return what tells apart what is made of a function: its file and its name."""
    return f"{function.__module__.rpartition('.')[2]}_{function.__name__}"


def make_compute(term: Any) -> Any:
    """Return the compiled function (address, dtype) of a loss.

    Parameters
    ----------
    term : (p, k, label, weight, z, target, gradient, dtype) -> loss
        Returns a term's loss, times its weight, and writes its gradient (features,): of the prediction (features,)
        and the target, (wide,) or ``label``.
    """
    name = _name_of(term)

    @compiled
    @named(name)
    def compute(address: Any, dtype: Any) -> None:
        p = loss_at(address)
        terms, features, wide, size = rows_of(p), p.features, p.wide, size_of(dtype)
        weights, share, loss = array_at(p.weights, terms, dtype), array_at(p.share, 1, np.float64)[0], 0.0
        labels = integers_at(p.target, terms)
        for k in range(terms):
            weight = dtype(share) * (weights[k] if p.weights != 0 else dtype(1))
            gradient = array_at(p.gradient + size * k * features, features, dtype)
            if weight == 0 or (p.ignoring != 0 and labels[k] == p.ignored):
                for j in range(features):
                    gradient[j] = 0
                continue
            z = array_at(p.prediction + size * k * features, features, dtype)
            target = array_at(p.target + size * k * wide, wide, dtype)
            loss += term(p, labels[k] if p.labelled != 0 else 0, weight, z, target, gradient, dtype)
        array_at(p.total, 1, np.float64)[0] = loss

    return compute


def make_elementwise(both: Any) -> Any:
    """Return the compiled function (address, dtype) of a loss that is a mean over outputs.

    Parameters
    ----------
    both : (z, t, first, second, a, b, c) -> (value, slope)
        Of a prediction and its target, with the settings of the output, 1 where there are none, and numbers.
    """
    name = _name_of(both)

    @summing
    @named(name)
    def flat(count: Any, scale: Any, a: Any, b: Any, c: Any, z: Any, target: Any, gradient: Any) -> Any:
        separate()
        total, one = z.dtype.type(0), z.dtype.type(1)
        for j in range(count):
            value, slope = both(z[j], target[j], one, one, a, b, c)
            total += value
            gradient[j] = slope * scale
        return total * scale

    @summing
    @named(name)
    def rows(
        terms: Any, features: Any, scale: Any, weighted: Any, per_first: Any, per_second: Any, a: Any, b: Any, c: Any,
        z: Any, target: Any, weights: Any, first: Any, second: Any, gradient: Any,
    ) -> Any:  # fmt: skip
        separate()
        loss, zero, one = 0.0, z.dtype.type(0), z.dtype.type(1)
        for k in range(terms):
            own = scale * weights[k] if weighted != 0 else scale
            total = zero
            for i in range(features):
                j = uint(k * features + i)
                if own == 0:
                    gradient[j] = zero
                    continue
                more, further = first[i] if per_first != 0 else one, second[i] if per_second != 0 else one
                value, slope = both(z[j], target[j], more, further, a, b, c)
                total += value
                gradient[j] = slope * own
            loss += total * own
        return loss

    @compiled
    @named(name)
    def compute(address: Any, dtype: Any) -> None:
        p = loss_at(address)
        terms, features, numbers = rows_of(p), p.features, numbers_of(p)
        count, scale = terms * features, dtype(array_at(p.share, 1, np.float64)[0]) / dtype(features)
        a, b, c = dtype(numbers[0]), dtype(numbers[1]), dtype(numbers[2])
        z, target = array_at(p.prediction, count, dtype), array_at(p.target, count, dtype)
        gradient, total = array_at(p.gradient, count, dtype), array_at(p.total, 1, np.float64)
        if p.weights == 0 and p.first == 0 and p.second == 0:
            total[0] = flat(count, scale, a, b, c, z, target, gradient)
            return
        first, second = array_or(p.first, p.target, features, dtype), array_or(p.second, p.target, features, dtype)
        weights = array_or(p.weights, p.target, terms, dtype)
        total[0] = rows(
            terms, features, scale, p.weights, p.first, p.second, a, b, c, z, target, weights, first, second, gradient
        )  # fmt: skip

    return compute
