"""A training step as a function: planned where the backend can."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from lamina.backends.numpy.threads import threads_of_products
from lamina.core.arguments import instance
from lamina.core.host import as_host
from lamina.core.layer import Layer
from lamina.core.lengths import lengths_after
from lamina.core.lowering import NotPlanned
from lamina.core.shapes import as_lengths, as_tuple
from lamina.errors import BackendError, NotBuiltError, ShapeError
from lamina.losses.loss import Loss
from lamina.losses.regression import RegressionLoss
from lamina.optimization.optimizer import Optimizer
from lamina.plan.planned import PlannedStep

__all__ = ["CompiledStep", "compile"]

# By a name of its own: a step of the smallest takes two microseconds.
_Plain = np.ndarray
# For so many kinds of shapes plans are kept.
_KEPT = 8


class _Place:
    """A plan for arrays of one kind of shapes, and where they are copied to.

    Parameters
    ----------
    step : PlannedStep
    arrays : tuple of array
        Inputs, then the target.
    shape : tuple of int or None
        A row's of the prediction, where targets have to be looked at.
    """

    def __init__(self, step: PlannedStep, arrays: tuple[Any, ...], shape: tuple[int, ...] | None = None) -> None:
        self.step = step
        self.shape = shape
        self.rows = len(arrays[0])
        self.own = [np.zeros(array.shape, kind) for array, kind in zip(arrays, step.dtypes, strict=True)]
        self.lengths = np.zeros(self.rows, np.int64)
        self.ragged: bool | None = None

    def fill(self, arrays: tuple[Any, ...], lengths: Any) -> None:
        """Copy a batch to where the plan reads it."""
        rows = len(arrays[0])
        if rows == self.rows:
            for own, array in zip(self.own, arrays, strict=True):
                np.copyto(own, array)
        else:
            for own, array in zip(self.own, arrays, strict=True):
                np.copyto(own[:rows], array)
        if lengths is not None:
            self.lengths[:rows] = lengths
        if self.ragged is not (lengths is not None):
            self.ragged = lengths is not None
            *inputs, target = self.own
            self.step.give(tuple(inputs), (target,), (None,), self.lengths if self.ragged else None)


class _Latest(NamedTuple):
    """The latest batch's kind, x and y without lengths, and what is done with one like it: as most often the next is.

    Attributes
    ----------
    x_shape, y_shape, x_dtype, y_dtype
    x, y : array
        Where they are copied to.
    again : callable
        What `PlannedStep.replay` gives.
    loss : callable
        Gives the loss.
    """

    x_shape: tuple[int, ...]
    y_shape: tuple[int, ...]
    x_dtype: Any
    y_dtype: Any
    x: Any
    y: Any
    again: Callable[[], bool | None]
    loss: Callable[[], float]


class CompiledStep:
    """A training step of a model: called with a batch, it updates the weights and returns the loss before.

    Parameters
    ----------
    model : Layer
    loss : Loss
    optimizer : Optimizer
    """

    def __init__(self, model: Layer, loss: Loss, optimizer: Optimizer) -> None:
        self.model = model
        self.loss = loss
        self.optimizer = optimizer
        self._places: dict[Any, _Place] = {}
        self._latest: _Latest | None = None

    def __call__(self, x: Any, y: Any, lengths: Any = None) -> float:
        """Take a step on a batch, and return its loss.

        Parameters
        ----------
        x : (batch, time, features) or (batch, features) array, or (batch, time) integers; a tuple for several inputs
        y : array, as the loss takes it
        lengths : (batch,) integers, optional

        Raises
        ------
        ShapeError, DTypeError, DataError
            If they do not fit the model or the loss; nothing has changed then.
        """
        plain, latest = type(x) is _Plain and type(y) is _Plain, self._latest
        if plain and lengths is None and latest is not None:
            x_shape, y_shape, x_dtype, y_dtype, own_x, own_y, again, loss = latest
            if x.shape == x_shape and y.shape == y_shape and x.dtype is x_dtype and y.dtype is y_dtype:
                own_x[...] = x  # a fifth of what np.copyto takes; dtypes are those that were looked at
                own_y[...] = y
                done = again()
                if done is not None:
                    if not done:
                        self._check((x, y), None)
                    return loss()
        arrays = (x, y) if plain and x.dtype.kind == "f" else self._as_arrays(x, y)
        key = tuple([(array.shape[1:], array.dtype) for array in arrays])
        place = self._places.get(key)
        if place is None or len(arrays[0]) > place.rows or not place.step.stands:
            place = self._make(key, arrays, lengths)
        rows = len(arrays[0])
        if lengths is not None:
            lengths = as_lengths(lengths, rows, arrays[0].shape[1], self.model.label)
        for array in arrays:
            if len(array) != rows:
                raise ShapeError(f"{self.model.label}: expected {rows} rows of each array, got {len(array)}")
        if place.shape is not None:
            self.loss.check_target(arrays[-1], (rows, *place.shape), lengths_after(self.model, lengths))
        place.fill(arrays, lengths)
        if not place.step.run(None, rows, check=True):
            self._check(arrays, lengths)
        if lengths is not None:
            self._latest = None  # its place has lengths now, perhaps
        elif plain and x.dtype.kind == "f" and rows == place.rows and place.shape is None:
            step, (own_x, own_y) = place.step, place.own
            kind = x.shape, y.shape, x.dtype, y.dtype
            self._latest = _Latest(*kind, own_x, own_y, step.replay(rows), step.plan.loss.item)
        return float(place.step.plan.loss[0])

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_places": {}, "_latest": None}

    def _as_arrays(self, x: Any, y: Any) -> tuple[Any, ...]:
        inputs = tuple(np.asarray(self.model.as_input(one, index)) for index, one in enumerate(as_tuple(x)))
        return *inputs, as_host(y, f"{self.loss.label} target")

    def _check(self, arrays: tuple[Any, ...], lengths: Any) -> tuple[int, ...]:
        """Raise what the model and the loss say of a batch; return the prediction's shape."""
        *inputs, target = arrays
        shape = tuple(self.model(*inputs, lengths=lengths).shape)
        self.loss.check_target(target, shape, lengths_after(self.model, lengths))
        return shape

    def _looks(self, step: PlannedStep) -> bool:
        """Tell whether targets have to be looked at in every step: a plan looks at whole numbers alone."""
        loss = self.loss
        if step.dtypes[-1] == "int64":
            return loss.target_padding is not None
        any_number = isinstance(loss, RegressionLoss) and loss.expected_targets is None
        return not any_number or type(loss).check_target is not RegressionLoss.check_target

    def _make(self, key: Any, arrays: tuple[Any, ...], lengths: Any) -> _Place:
        """Return a plan for such arrays, checked."""
        shape = self._check(arrays, lengths)
        *inputs, target = arrays
        known = self._places.pop(key, None)
        rows = max(len(target), known.rows if known else 0)
        try:
            step = PlannedStep(
                self.model, (self.loss,), self.optimizer, tuple(inputs), (target,), (None,), rows, threads_of_products()
            )
        except NotPlanned as reason:
            raise BackendError(f"compile: {reason}") from None
        if len(self._places) >= _KEPT:
            del self._places[next(iter(self._places))]
        whole = tuple(np.zeros((rows, *array.shape[1:]), array.dtype) for array in arrays)
        place = self._places[key] = _Place(step, whole, shape[1:] if self._looks(step) else None)
        return place


def compile(model: Layer, loss: str | Loss, optimizer: Optimizer) -> CompiledStep:
    """Return a training step as one function ``step(x, y, lengths=None) -> loss``, planned by the model's backend.

    Model, loss and optimizer are lowered to kernels in a row for the shapes of the first batch, and the backend runs
    them as one call; other shapes are planned when they come. Arrays are read when the function is called, and not
    kept.

    Parameters
    ----------
    model : Layer
        Built, on a backend that plans steps: ``"numba"``.
    loss : str or Loss
    optimizer : Optimizer
        Over the model's parameters.

    Returns
    -------
    CompiledStep
        It updates the weights, and returns the loss of before as a float.

    Raises
    ------
    NotBuiltError
        If the model is not built.
    BackendError
        If its backend plans no steps, or not this model's: `lamina.inspect.explain` says why.

    Examples
    --------
    >>> import lamina
    >>> model = lamina.Sequential(lamina.layers.GRU(8), lamina.layers.Dense(2))
    >>> model.build((None, None, 3), seed=0)
    (None, 2)
    >>> lamina.compile(model, "softmax_cross_entropy", lamina.optimizers.SGD(model.parameters()))
    Traceback (most recent call last):
    ...
    lamina.backends.errors.BackendError: compile: backend 'numpy' plans no steps: build the model on 'numba'
    """
    model = instance("compile", "model", model, Layer)
    found: Loss = instance("compile", "loss", Loss.registry.create(loss), Loss)
    found.require_number("compile")
    optimizer = instance("compile", "optimizer", optimizer, Optimizer)
    if not model.is_built:
        raise NotBuiltError("compile: the model has no parameters yet: call model.build(shape) first")
    if not model.backend.plans_steps:
        raise BackendError(f"compile: backend {model.backend.name!r} plans no steps: build the model on 'numba'")
    return CompiledStep(model, found, optimizer)
