"""The program of a model, its loss and its optimizer, for batches of a size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from lamina.backends.program import Frame, Program
from lamina.core.layer import Layer
from lamina.core.lowering import Lowering, NotPlanned, Value, own_lowering
from lamina.core.shapes import as_tuple
from lamina.core.stretch import neighbours
from lamina.losses.loss import Loss
from lamina.plan.beside import Beside
from lamina.plan.updates import Updates

__all__ = ["Aim", "Shaped", "lower", "lower_each"]


class Shaped(NamedTuple):
    """What is known of an array before it is there.

    Attributes
    ----------
    shape : tuple of int
        Of all rows together; the first is of no matter.
    integers : bool
    """

    shape: tuple[int, ...]
    integers: bool


class Aim(NamedTuple):
    """What an output of a model is trained for.

    Attributes
    ----------
    loss : Loss
    target : Shaped
    weights : Shaped or None
        (rows, 1), or (rows, steps, 1).
    """

    loss: Loss
    target: Shaped
    weights: Shaped | None = None


def lower(
    model: Layer,
    loss: Loss,
    updates: Updates | None,
    inputs: tuple[Shaped, ...],
    target: Shaped,
    rows: int,
    weights: Shaped | None = None,
    beside: Beside | None = None,
    truncate: int | None = None,
    summed: bool = False,
) -> Program:
    """Return the program of a training step of a model with one output; see `lower_each`."""
    return lower_each(model, (Aim(loss, target, weights),), updates, inputs, rows, beside, truncate, summed)


def lower_each(
    model: Layer,
    aims: Sequence[Aim | None],
    updates: Updates | None,
    inputs: tuple[Shaped, ...],
    rows: int,
    beside: Beside | None = None,
    truncate: int | None = None,
    summed: bool = False,
) -> Program:
    """Return the program of a training step over at most so many rows.

    Of each output there is an aim, or None where it is not trained. ``beside`` takes in what a step needs told before a
    run, and hands out after it; without one, what needs that cannot be planned. With ``truncate`` a run takes so many
    steps at most, and states go on to the next one. With ``summed`` losses that are means are left sums.

    Raises
    ------
    NotPlanned
        If a part cannot be lowered.
    """
    bound = model.bound()
    steps = {one.shape[1] for one in inputs if len(one.shape) == (2 if one.integers else 3)}
    if len(steps) > 1:
        raise NotPlanned("inputs differ in their steps")
    program = Program(bound.dtype, rows, truncate or max(steps, default=1))
    program.frames.append(Frame(program.steps, None, {}))
    lowering = Lowering(program, streaming=truncate is not None)
    program.inputs = [_value(program, one) for one in inputs]
    predicted: Any = lowering(model, *program.inputs)
    program.outputs = list(as_tuple(predicted))
    if len(program.outputs) != len(aims):
        raise NotPlanned(f"the model has {len(program.outputs)} outputs, and losses are for {len(aims)}")
    for output, aim in zip(program.outputs, aims, strict=True):
        if aim is not None:
            _add_loss(lowering, output, aim, truncate)
    if summed:
        program.losses = [one._replace(options={**one.options, "reduction": "sum"}) for one in program.losses]
    if beside is not None:
        beside.tables, beside.drawing = lowering.tables, lowering.drawing
    elif lowering.tables or lowering.drawing:
        raise NotPlanned("the model has tables with gradients by rows, or draws random numbers")
    parameters = [parameter for parameter in model.parameters() if not parameter.row_wise]
    for run in neighbours(parameters):
        first, last = run[0], run[-1]
        if first.storage is None:
            raise NotPlanned(f"Parameter {first.name!r} has no values")
        program.gradients.append(first.storage.read_grad()[first.offset : last.offset + last.size])
    if updates is not None:
        program.updates = updates.calls
    return program


def _add_loss(lowering: Lowering, predicted: Value, aim: Aim, truncate: int | None) -> None:
    """Add the loss of an output, its target and its weights."""
    program, (loss, target, weights) = lowering.program, aim
    if truncate is not None:
        target = Shaped((target.shape[0], truncate, *target.shape[2:]), target.integers)
    given = [_target(program, predicted, target, loss)]
    if weights is not None:
        of_steps = len(weights.shape) == 3
        if of_steps and predicted.frame is None:
            raise NotPlanned("weights of steps for predictions without")
        given.append(program.value(1, predicted.frame if of_steps else None))
    program.targets += given
    own = own_lowering(loss)
    if own is None:
        raise NotPlanned(f"{loss.label} has no compiled form")
    own(lowering, predicted, *given)


def _value(program: Program, one: Shaped) -> Value:
    """Return the value of an input: (rows, features), (rows, steps, features), or (rows, steps) integers."""
    rank = len(one.shape)
    if one.integers and rank == 2:
        return program.value(1, 0, integers=True)
    if one.integers or rank not in (2, 3):
        raise NotPlanned(f"an input has {rank} axes")
    return program.value(one.shape[-1], 0 if rank == 3 else None)


def _target(program: Program, predicted: Value, target: Shaped, loss: Loss) -> Value:
    """Return the value of the target: a label for each row or step, or numbers as the prediction has them.

    Where a row has as many labels as it likes, they are its features.
    """
    rank = 2 if predicted.frame is None else 3
    if loss.target_padding is not None and target.integers and len(target.shape) == 2:
        return program.value(target.shape[1], integers=True)
    if predicted.frame is not None and target.shape[1:2] != (program.frames[predicted.frame].steps,):
        raise NotPlanned(f"a target of shape {target.shape} for a prediction of other steps")
    if target.integers and len(target.shape) == rank - 1:
        return program.value(1, predicted.frame, integers=True)
    if len(target.shape) == rank:  # whole numbers too: as numbers
        return program.value(target.shape[-1], predicted.frame)
    raise NotPlanned(f"a target of shape {target.shape} for a prediction of {rank} axes")
