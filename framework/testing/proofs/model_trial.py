"""A model on trial: fresh builds of it with the same weights, what it is fed with, and what comes out."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np

from lamina.backends import get_backend
from lamina.core.layer import Layer
from lamina.core.lengths import is_timed, lengths_after
from lamina.core.shapes import as_lengths, as_tuple
from lamina.errors import ArgumentError, ShapeError
from lamina.kinds.random import fixed_draws, rows_of_batch
from lamina.testing.proofs.arrays import HostArray
from lamina.testing.proofs.drawn import read_input
from lamina.testing.proofs.lent import Lent, random_layers
from lamina.testing.proofs.model_goals import ModelGoals
from lamina.testing.proofs.passes import Outcome, hosts, parameter_gradients
from lamina.testing.report import Skip
from lamina.train.trainer import Trainer

__all__ = ["ModelTrial"]

_TOLERANCE = {"float64": 1e-9, "float32": 2e-3}


class ModelTrial:
    """Makes everything that a relation needs, from seeds, so that relations do not depend on each other.

    Parameters
    ----------
    model : Layer
        As its constructor makes it, or built; it stays as it is.
    inputs : sequence of shapes or arrays
        With the batch.
    lengths : array, tuple, None or "auto"
    loss, target, optimizer, schedule
        See `check_model`.
    backend, dtype : str
        Of one that is not built.
    seed : int
    tolerance : float, optional
        Of what may differ by rounding.
    """

    def __init__(
        self,
        model: Layer,
        inputs: Sequence[Any],
        *,
        lengths: Any = "auto",
        loss: Any = None,
        target: Any = None,
        optimizer: Any = None,
        schedule: Callable[[], Any] | None = None,
        backend: Any = None,
        dtype: Any = None,
        seed: int = 0,
        tolerance: float | None = None,
    ) -> None:
        rng = np.random.default_rng(seed)
        self.template, self.seed, self.schedule = model, seed, schedule
        self.values = [read_input("check_model", rng, value, least_axes=2) for value in inputs]
        self.rows = self.values[0].shape[0]
        if self.rows < 2 or any(value.shape[0] != self.rows for value in self.values):
            shapes = [value.shape for value in self.values]
            raise ArgumentError(f"check_model: expected inputs with one batch of at least 2 rows, got {shapes}")
        self.backend = model.backend if model.is_built else get_backend(backend)
        self.dtype: str = (model.dtype if model.is_built else None) or dtype or "float64"
        self.tolerance = _TOLERANCE[self.dtype] if tolerance is None else tolerance
        self.lenient = tolerance is None  # rounding may be measured where it exceeds that: one that is given is held
        self.weights: dict[str, HostArray] | None = None
        self._shared: Layer | None = None
        self._lent: list[Lent] = []
        self._spare: list[Lent] = []
        first = self._first(rng)
        self.weights = first.state_dict()
        self.timed = [is_timed(first, index, value.ndim) for index, value in enumerate(self.values)]
        self.fixed_time = any(
            timed and first.input_shapes[index][1] is not None for index, timed in enumerate(self.timed)
        )
        self.lengths = self._read_lengths(rng, lengths)
        self.draws = bool(random_layers(first))
        outputs = self.call(first)
        self.several = len(outputs) > 1
        self.loss = loss
        self.diverges: bool | None = None  # whether training does, once that was tried
        self.target: Any = None
        self.optimizer = optimizer if optimizer is not None else "sgd"
        self._goals: ModelGoals | None = None
        if loss is not None:
            self._goals = ModelGoals(loss, target, outputs, lengths_after(first, self.lengths), rng, seed)
            self.target = self._goals.target
            Trainer(first, optimizer=self.optimizer, **self._goals.settings())  # refuses what is no optimizer
        before = self.weights
        self.run(first)
        #: Whether forward moves what no optimizer does, such as running means: rows then depend on one another.
        self.moves = any(not np.array_equal(array, before[name]) for name, array in first.state_dict().items())

    def _first(self, rng: np.random.Generator) -> Layer:
        """Return the first build: no weight at a first value such as 0 or 1, running means moved."""
        model = self.built()
        if not self.template.is_built:
            for parameter in model.parameters():
                noise = 0.1 * rng.standard_normal(parameter.shape)
                parameter.data = parameter.numpy() + (noise if parameter.trainable else np.abs(noise))
            if model.parameters():
                self.weights = model.state_dict()
        return model

    def _read_lengths(self, rng: np.random.Generator, lengths: Any) -> Any:
        if lengths is None or not any(self.timed):
            return None
        sizes = [value.shape[1] if timed else None for value, timed in zip(self.values, self.timed, strict=True)]
        if isinstance(lengths, str):
            if self.fixed_time:
                return None
            drawn = [None if size is None else rng.integers(1, size + 1, self.rows) for size in sizes]
        elif isinstance(lengths, tuple) and len(lengths) == len(sizes):
            drawn = list(lengths)
        else:
            drawn = [None if size is None else lengths for size in sizes]
        each = [
            None if own is None or size is None else as_lengths(own, self.rows, size, "check_model")
            for own, size in zip(drawn, sizes, strict=True)
        ]
        if len(each) > 1 and not isinstance(lengths, (tuple, str)):
            return next(own for own in each if own is not None)  # one for all inputs, as it was given
        return tuple(each) if len(each) > 1 else each[0]

    # Models.

    def fresh(self) -> Layer:
        """Return a model with the trial's weights, no gradients and no call made: new, or from an earlier relation."""
        if self._spare:
            made = self._spare.pop()
        else:
            model = self.built()
            made = Lent(model)
        self._lent.append(made)
        assert self.weights is not None
        return made.begun_anew(self.weights)

    def precise(self, new: bool = False) -> Layer:
        """Return such a model in float64, whatever the trial's dtype; a new one that is not lent again, on request.

        In float32 an optimizer that divides by a gradient's size makes steps of rounding where that is all there is.
        """
        if self.dtype != "float64":
            return self.built(dtype="float64")
        return self.built() if new else self.fresh()

    def recycle(self) -> None:
        """Let the models that were lent so far be lent again: no relation goes on with another one's."""
        self._spare += self._lent
        self._lent = []

    def built(self, backend: Any = None, dtype: str | None = None) -> Layer:
        """Return a new model with the trial's weights, on its backend and in its dtype if not given others."""
        model = copy.deepcopy(self.template)
        if self.template.is_built:
            return model if backend is None and dtype is None else model.to(backend or self.backend, dtype)
        options = {"backend": backend or self.backend, "dtype": dtype or self.dtype, "seed": self.seed}
        self._build(model, options)
        if self.weights is not None:
            model.load_state_dict(self.weights)
        return model

    @property
    def shared(self) -> Layer:
        """A model for relations of inference, and of passes that move nothing: it is built once."""
        if self._shared is None:
            self._shared = self.built()
        return self._shared

    def _build(self, model: Layer, options: dict[str, Any]) -> None:
        opened: list[Any] = []
        for index, value in enumerate(self.values):
            sequence = value.ndim > 2 or (value.ndim == 2 and value.dtype.kind in "iu" and model.reads_integers(index))
            opened.append((None, None, *value.shape[2:]) if sequence else (None, *value.shape[1:]))
        try:
            model.build(*opened, **options)
        except ShapeError:
            fixed = [(None, *value.shape[1:]) for value in self.values]
            if fixed == opened:
                raise
            model.build(*fixed, **options)

    # Data.

    def lengths_of(self, index: int) -> Any:
        """Return the lengths of an input; None where all its rows are full, or it has no time axis."""
        return self.lengths[index] if isinstance(self.lengths, tuple) else self.lengths if self.timed[index] else None

    def cut(self, row: int) -> tuple[list[HostArray], Any]:
        """Return one row of each input, as long as it is, and lengths: None, or of an input without steps 0 of one."""
        parts, lengths = [], []
        for index, value in enumerate(self.values):
            own = self.lengths_of(index)
            steps = value.shape[1] if own is None and value.ndim > 1 else None if own is None else int(own[row])
            parts.append(value[row : row + 1] if own is None else value[row : row + 1, : max(int(own[row]), 1)])
            lengths.append(np.array([steps]) if self.timed[index] else None)
        if not self.empty(row):
            return parts, None
        return parts, tuple(lengths) if len(lengths) > 1 else lengths[0]

    def empty(self, row: int) -> bool:
        """Tell whether a row of some input has no steps."""
        each = [self.lengths_of(index) for index in range(len(self.values))]
        return any(own is not None and own[row] == 0 for own in each)

    def pick(self, rows: Any, lengths: Any = None) -> Any:
        """Return some rows of lengths, the trial's if not given."""
        lengths = self.lengths if lengths is None else lengths
        if isinstance(lengths, tuple):
            return tuple(None if own is None else own[rows] for own in lengths)
        return None if lengths is None else lengths[rows]

    @property
    def x(self) -> Any:
        """The inputs as a trainer takes them."""
        return tuple(self.values) if len(self.values) > 1 else self.values[0]

    @property
    def differs(self) -> bool:
        """Whether a layer behaves otherwise in training, as far as it shows: it draws, or moves what it keeps."""
        return self.draws or self.moves

    # Passes.

    def call(self, model: Layer, values: Sequence[Any] | None = None, lengths: Any = "own") -> list[HostArray]:
        """Return the outputs of a call, on the host."""
        lengths = self.lengths if isinstance(lengths, str) else lengths
        options = {} if lengths is None else {"lengths": lengths}
        return hosts(model, model(*(self.values if values is None else values), **options))

    def forward(
        self, model: Layer, values: Sequence[Any] | None = None, lengths: Any = "own", before: int = 0, draws: int = 0
    ) -> tuple[Any, Any]:
        """Run forward under fixed draws, as the rows of a batch that come after others."""
        lengths = self.lengths if isinstance(lengths, str) else lengths
        options = {} if lengths is None else {"lengths": lengths}
        arrays = [model.as_input(value, index) for index, value in enumerate(self.values if values is None else values)]
        with ExitStack() as contexts:
            contexts.enter_context(fixed_draws(self.seed + draws))
            if before:
                contexts.enter_context(rows_of_batch(before))
            y, saved = model.forward(*arrays, **options)
        return y, saved

    def backward(
        self, model: Layer, y: Any, saved: Any, dy: Sequence[HostArray] | None = None, **options: Any
    ) -> list[Any]:
        """Run backward from these gradients, or drawn ones, and return the inputs' on the host."""
        given = self.gradients_for(as_tuple(y)) if dy is None else dy
        arrays = tuple(model.backend.asarray(one, model.dtype) for one in given)
        dx = as_tuple(model.backward(arrays if isinstance(y, tuple) else arrays[0], saved, **options))
        return hosts(model, dx)

    def gradients_for(self, outputs: Sequence[Any]) -> list[HostArray]:
        """Return drawn gradients for outputs, the same each time."""
        rng = np.random.default_rng(self.seed + 1)
        return [rng.standard_normal(tuple(one.shape)) for one in outputs]

    def run(
        self,
        model: Layer,
        values: Sequence[Any] | None = None,
        lengths: Any = "own",
        dy: Sequence[HostArray] | None = None,
        before: int = 0,
    ) -> Outcome:
        """Run forward and backward from gradients of zero."""
        model.zero_grad()
        y, saved = self.forward(model, values, lengths, before)
        outputs = hosts(model, y)
        dx = self.backward(model, y, saved, dy)
        return Outcome(outputs, dx, parameter_gradients(model))

    def require_goals(self) -> ModelGoals:
        """Return what the model is trained for, or skip."""
        if self._goals is None:
            raise Skip("no loss given")
        return self._goals
