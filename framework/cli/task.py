"""What the command line can train a model for: the interface of the four tasks, and what they have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from lamina import recipes
from lamina.cli.facts import require_data_facts
from lamina.cli.npz import NumpyArray
from lamina.cli.part import Data, Part, fingerprint, hold_out, require_part, require_range
from lamina.core.finite import non_finite_parameters, spoken
from lamina.core.layer import Layer
from lamina.core.shapes import show
from lamina.errors import ArgumentError, DataError, NonFiniteError
from lamina.losses.loss import Loss

__all__ = ["Split", "Task", "Verdict", "outputs_of"]

TEST_SHARE = 0.2


@dataclass(frozen=True, eq=False)
class Split:
    """The rows that a model is trained, validated and tested on.

    Attributes
    ----------
    train, test : Part
    validation : Part or None
    drawn : str
        How the test part came about, to go on with; nothing where the data have one.
    facts : dict
        By which it is found again.
    """

    train: Part
    validation: Part | None
    test: Part
    drawn: str = ""
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Verdict:
    """How well a model does on some rows.

    Attributes
    ----------
    text : str
        All of it.
    line : str
        The one line that counts, without the part's name.
    figure : float
        The number in it.
    facts : dict
        What is kept with the model.
    loss : float or None
    """

    text: str
    line: str
    figure: float
    facts: dict[str, Any]
    loss: float | None = None


class Task:
    """What a model is for.

    Attributes
    ----------
    name : str
    figure_name : str
        What a `Verdict` tells.
    expected : str
        The shape of a model's output, for messages.
    output_rank : int
    per_step : bool
        Whether each step is told something of.
    metrics : str or tuple of str
    cell, units : str, int
        Those of a model where none are chosen.
    """

    name: ClassVar[str]
    figure_name: ClassVar[str]
    expected: ClassVar[str]
    output_rank: ClassVar[int]
    per_step: ClassVar[bool] = False
    metrics: ClassVar[str | tuple[str, ...]] = ()
    cell: ClassVar[str] = next(iter(recipes.CELLS))
    units: ClassVar[int] = recipes.UNITS

    def facts(self, data: Data) -> dict[str, Any]:
        """Return what is kept with the model, to read other files alike."""
        return {"name": self.name, "columns": data.columns}

    def describe(self, data: Data) -> str:
        """Return what is told of each row."""
        raise NotImplementedError

    def loss(self) -> Loss:
        """Return what is made small in training."""
        raise NotImplementedError

    def build(self, data: Data, first: Layer, options: dict[str, Any]) -> Layer:
        """Return a model that is not built yet.

        Parameters
        ----------
        data : Data
        first : Layer
            What features go through before.
        options : dict
            Of `build_stack`.
        """
        raise NotImplementedError

    def goal(self, part: Part, split: Split) -> NumpyArray:
        """Return the targets of rows, as the model learns them."""
        return part.y

    def finish(self, model: Layer, split: Split, data: Data) -> None:
        """Make a trained model one that gives what is asked for, and note what it should know."""

    def judge(self, model: Layer, part: Part, data: Data) -> Verdict:
        """Return how well a finished model does."""
        raise NotImplementedError

    def split(self, data: Data, seed: int, share: float) -> Split:
        """Return the rows to train, validate and test on.

        Parameters
        ----------
        data : Data
        seed : int
        share : float
            Of the rows to train on, to validate on; 0 for none.
        """
        train = require_part(data.train, "training", data)
        drawn, facts, test = "", {}, data.test
        if test is None:
            facts = {"held_out_of": fingerprint(train), "held_out_seed": seed}
            of = "each class" if train.y.ndim == 1 else "the rows"
            drawn = f", a fifth of {of}, drawn with seed {seed}"
            train, test = hold_out(train, seed)
        validation = None
        if share:
            train, validation = hold_out(train, seed, share, "validate")
        return Split(train, validation, test, drawn, facts)

    def choose_part(self, model: Layer, data: Data, name: str | None) -> tuple[str, Part]:
        """Return the part of the data to evaluate a model on, and what to call it.

        Where a file has no test part, the rows that ``lamina train`` held out of it are known again by the file's
        content; of any other such file, which is new to the model, all rows are taken.

        Parameters
        ----------
        model : Layer
        data : Data
        name : {"train", "test"} or None
            None is the test part.

        Raises
        ------
        DataError
            If there is no such part.
        """
        wanted = name or "test"
        if data.train is None or data.test is not None:
            return wanted, require_part(data.train if wanted == "train" else data.test, wanted, data)
        trained_on = require_data_facts(model)
        if trained_on.get("held_out_of") == fingerprint(data.train):
            train, test = hold_out(data.train, trained_on["held_out_seed"])
            return wanted, train if wanted == "train" else test
        if wanted == "train":
            raise DataError(f"{data.source!r}: not the file that the model was trained on: leave out --part")
        return "all rows", data.train

    def require_fit(self, model: Layer, path: str) -> None:
        """Raise `ArgumentError` where a model takes or gives another kind of array than the task's."""
        inputs, output = model.input_shapes, model.output_shape
        fits = isinstance(output, tuple) and len(output) == self.output_rank and isinstance(output[-1], int)
        if len(inputs) != 1 or len(inputs[0]) != 3 or not fits:
            raise ArgumentError(
                f"{path!r}: expected a model from (batch, time, features) to {self.expected}, "
                f"got one from {show(inputs)} to {show(output)}"
            )


def outputs_of(
    model: Layer, x: NumpyArray, lengths: NumpyArray | None, source: str, names: Sequence[str] = ("class",)
) -> NumpyArray:
    """Return a model's outputs for rows of some source, batch by batch, on the host.

    Parameters
    ----------
    model : Layer
    x : (batch, time, features)
    lengths : (batch,) or None
    source : str
    names : sequence of str
        What the output's axes after the batch's are called, for messages.

    Raises
    ------
    DataError
        If the rows have another number of features than the model takes, or numbers too large for its dtype.
    NonFiniteError
        If the output holds NaN or infinity: no class, no probability and no loss follows from that.
    """
    from lamina.train.trainer import Trainer

    features = model.input_shapes[0][2]
    if features != x.shape[2]:
        raise DataError(f"{source!r}: expected {features} features, as the model takes, got {x.shape[2]}")
    require_range(x, lengths, model.dtype, source)
    with np.errstate(all="ignore"):  # of what is told below
        found = np.asarray(Trainer(model).predict(x, lengths=lengths))
    wrong = ~np.isfinite(found)
    if wrong.any():
        index = tuple(int(one) for one in np.argwhere(wrong)[0])
        place = ", ".join(f"{name} {one}" for name, one in zip(("row", *names), index, strict=True))
        where = f"{source!r}: the model's output is {spoken(found[index])} at {place}"
        raise NonFiniteError(where + _broken_weights(model))
    return found


def _broken_weights(model: Layer) -> str:
    """Return which parameter holds NaN or infinity, to go on with; nothing where none does."""
    return next(
        (f": its parameter {name!r} holds {what}" for name, what in non_finite_parameters(model.parameters())), ""
    )
