"""Why a training step is planned as one, or not: layer by layer."""

from __future__ import annotations

from typing import Any, Self

from lamina.backends.program import Frame, Program
from lamina.core.layer import Layer
from lamina.core.lowering import Lowering, NotPlanned, own_lowering
from lamina.data.goals import LossLike, read_goals
from lamina.files.html import table
from lamina.optimization.optimizer import Optimizer
from lamina.plan.updates import Updates
from lamina.train.optimizer_choice import OptimizerChoice, OptimizerLike

__all__ = ["Explanation", "explain"]

_HEAD = ("part", "kind", "runs")
_PLANNED = "in the plan"
_STEPS = 8  # of a sequence of open length


class Explanation(str):
    """What of a training step is planned, as text; a notebook shows a table.

    Parameters
    ----------
    text : str
    planned : bool
        Whether the steps of model and loss are planned as one.
    rows : tuple of (str, str, str)
        Each part, its class, and how it runs.
    """

    planned: bool
    rows: tuple[tuple[str, ...], ...]

    def __new__(cls, text: str, planned: bool, rows: tuple[tuple[str, ...], ...]) -> Self:  # noqa: D102
        made = super().__new__(cls, text)
        made.planned, made.rows = planned, rows
        return made

    def __reduce__(self) -> Any:
        return type(self), (str(self), self.planned, self.rows)

    def _repr_html_(self) -> str:
        return table(_HEAD, self.rows, "lll", note=self.splitlines()[-1])


def explain(model: Layer, loss: LossLike | None = None, optimizer: OptimizerLike | None = None) -> Explanation:
    """Return what of a model's training steps the backend plans as one, and why not what it does not.

    Parameters
    ----------
    model : Layer
        Built.
    loss : str or Loss, optional
        Of a model of several outputs one, or None, for each: a tuple of them, or a dict by the outputs' names.
    optimizer : str, Optimizer or callable, optional
        As for `Trainer`.

    Returns
    -------
    Explanation

    Raises
    ------
    NotBuiltError
        If the model is not built.
    UnknownNameError
        If no loss, or no optimizer, has that name.
    ArgumentError
        If the optimizer is none, or over another model's parameters.

    Examples
    --------
    >>> import lamina
    >>> model = lamina.Sequential(lamina.layers.GRU(8), lamina.layers.Dense(2))
    >>> model.build((None, None, 3), seed=0)
    (None, 2)
    >>> lamina.inspect.explain(model).splitlines()[-1]
    "backend 'numpy' plans no steps: build the model on 'numba' to have them compiled"
    """
    backend = model.bound().backend
    rows: list[tuple[str, str, str]] = []
    reason = ""
    timed = _timed(model)
    if len({model.input_shapes[index][1] for index in timed} - {None}) > 1:
        reason = f"inputs {_named(timed)} differ in their steps, and a plan has one number of them"
    for path, layer in model.walk():
        if layer.children():
            why = "" if own_lowering(layer) is not None else f"{layer.label} has no compiled form"
            if not why:
                continue  # its parts say it
        else:
            why = _why_not(layer) if backend.plans_steps else f"backend {backend.name!r} plans no steps"
        reason = reason or why
        rows.append((path, type(layer).__name__, _shown(why, backend.plans_steps)))
    for goal in () if loss is None else read_goals(loss):
        if goal.loss is None:
            continue
        why = "" if own_lowering(goal.loss) is not None else f"{goal.loss.label} has no compiled form"
        reason = reason or why
        rows.append((goal.named("loss"), type(goal.loss).__name__, _shown(why, backend.plans_steps)))
    if optimizer is not None:
        found = OptimizerChoice(optimizer, "explain").of(model)
        rows.append(("optimizer", type(found).__name__, _shown(_own_update(found), backend.plans_steps)))
    widths = [max(len(row[column]) for row in (_HEAD, *rows)) for column in range(3)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    head = "  ".join(cell.ljust(width) for cell, width in zip(_HEAD, widths, strict=True)).rstrip()
    if not backend.plans_steps:
        last = f"backend {backend.name!r} plans no steps: build the model on 'numba' to have them compiled"
    elif reason:
        last = f"training steps run by kernels: {reason}"
    else:
        last = f"training steps are planned as one{_where(timed)}"
    text = "\n".join([head, "-" * (sum(widths) + 4), *lines, last])
    return Explanation(text, backend.plans_steps and not reason, tuple(rows))


def _timed(model: Layer) -> list[int]:
    """Return which inputs have steps."""
    ranks = [2 if model.reads_integers(index) else 3 for index in range(len(model.input_shapes))]
    return [index for index, rank in enumerate(ranks) if len(model.input_shapes[index]) == rank]


def _named(places: list[int]) -> str:
    return f"{', '.join(map(str, places[:-1]))} and {places[-1]}"


def _where(timed: list[int]) -> str:
    """Return where alone steps of a model are planned, beside what its layers say: nothing for most."""
    if len(timed) < 2:
        return ""
    return (
        f" where inputs {_named(timed)} have the same lengths and steps; they run by kernels where these have lengths "
        "of their own: a plan puts a batch's rows in one order, the longest first"
    )


def _shown(why: str, plans: bool) -> str:
    if not plans:
        return "by kernels"
    return f"by kernels: {why}" if why else _PLANNED


def _why_not(layer: Layer) -> str:
    """Return why a layer without parts is not planned; empty where it is."""
    shapes: Any = layer.input_shapes
    bound = layer.bound()
    program = Program(bound.dtype, 1, _STEPS)
    program.frames.append(Frame(_STEPS, None, {}))
    values = []
    for index, shape in enumerate(shapes):
        integers = layer.reads_integers(index)
        if len(shape) not in ((2,) if integers else (2, 3)):
            return f"{layer.label} has an input of {len(shape)} axes"
        timed = integers or len(shape) == 3
        values.append(program.value(1 if integers else shape[-1], 0 if timed else None, integers))
    try:
        Lowering(program)(layer, *values)
    except NotPlanned as reason:
        return str(reason)
    return bound.backend.why_not_planned(program)


def _own_update(optimizer: Optimizer) -> str:
    try:
        Updates(optimizer)
    except NotPlanned as reason:
        return str(reason)
    return ""
