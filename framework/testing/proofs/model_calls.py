"""Relations of a model's calls: every way to ask for the output gives the same, whatever stands beside a row."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from lamina.core.calls import inference
from lamina.core.layer import Layer
from lamina.core.lengths import each_lengths, lengths_after
from lamina.core.shapes import as_tuple
from lamina.kinds.random import RandomLayer
from lamina.testing.proofs.arrays import HostArray, expect_close, expect_same_bits
from lamina.testing.proofs.model_trial import ModelTrial
from lamina.testing.proofs.passes import hosts
from lamina.testing.report import CheckError, Skip
from lamina.train.trainer import Trainer

__all__ = [
    "calls",
    "changes_nothing",
    "expect_alike",
    "expect_row",
    "in_threads",
    "outputs_lengths",
    "padded",
    "padding",
    "predicts",
    "row_order",
    "rows_alone",
]

# What stands past the ends: finite, and larger than any value that counts.
_PADDING = 1e3


def expect_alike(what: str, got: Sequence[HostArray], expected: Sequence[HostArray], tolerance: float) -> float:
    """Return the largest difference of outputs, or raise; with a tolerance of 0 their bits must be the same."""
    if len(got) != len(expected):
        raise CheckError(f"{what}: expected {len(expected)} outputs, got {len(got)}")
    worst = 0.0
    for index, (one, other) in enumerate(zip(got, expected, strict=True)):
        name = what if len(got) == 1 else f"output {index} {what}"
        if tolerance:
            worst = max(worst, expect_close(name, one, other, tolerance))
        else:
            expect_same_bits(name, one, other)
    return worst


def calls(trial: ModelTrial) -> float:
    """Check that a call, a second one, infer, lengths by position, and forward outside of training give the same."""
    model = trial.shared
    expected = trial.call(model)
    arrays = [model.as_input(value, index) for index, value in enumerate(trial.values)]
    options = {} if trial.lengths is None else {"lengths": trial.lengths}
    expect_alike("called again", trial.call(model), expected, 0)
    expect_alike("of infer", hosts(model, model.infer(*arrays, **options)), expected, 0)
    with inference:
        y, _ = model.forward(*arrays, **options)
    expect_alike("of forward outside of training", hosts(model, y), expected, trial.tolerance)
    if trial.lengths is not None:
        expect_alike("with lengths by position", hosts(model, model(*trial.values, trial.lengths)), expected, 0)
        expect_alike("of infer, lengths by position", hosts(model, model.infer(*arrays, trial.lengths)), expected, 0)
    return 0.0


def predicts(trial: ModelTrial) -> float:
    """Check that predict gives the call's output at any batch size, and of a list of rows each as long as it is."""
    model = trial.shared
    expected, trainer, worst = trial.call(model), Trainer(model), 0.0
    for size in (1, 2, trial.rows):
        got = trainer.predict(trial.x, lengths=trial.lengths, batch_size=size)
        worst = max(worst, expect_alike(f"of predict, batch_size={size}", as_tuple(got), expected, trial.tolerance))
    if trial.lengths is None:
        return worst
    lists = tuple(_as_list(trial, index) for index in range(len(trial.values)))
    got = as_tuple(trainer.predict(lists if len(lists) > 1 else lists[0]))
    for index, (rows, own) in enumerate(zip(got, outputs_lengths(model, trial.lengths, len(expected)), strict=True)):
        for row, array in enumerate(rows):
            wanted = expected[index][row] if own is None else expected[index][row, : own[row]]
            what = f"output {index}, row {row} of a list"
            # Where no row of the list is shorter than another, it is an array.
            array = array if own is None else array[: own[row]]
            worst = max(worst, expect_close(what, np.asarray(array), wanted, trial.tolerance))
    return worst


def _as_list(trial: ModelTrial, index: int) -> Any:
    value, own = trial.values[index], trial.lengths_of(index)
    return value if own is None else [row[:length] for row, length in zip(value, own, strict=True)]


def outputs_lengths(model: Layer, lengths: Any, count: int) -> tuple[Any, ...]:
    """Return the lengths of each output; None of one without a time axis."""
    after = None if lengths is None else lengths_after(model, lengths)
    shapes: Any = model.output_shape
    each = each_lengths(after, count)
    ranks = [len(shape) for shape in (shapes if isinstance(shapes[0], tuple) else (shapes,))]
    return tuple(own if rank > 2 else None for own, rank in zip(each, ranks, strict=True))


def rows_alone(trial: ModelTrial) -> float:
    """Check that each row alone, cut to its lengths, gives what it gives in the batch, and zeros past its end."""
    model = trial.shared
    whole, worst = trial.call(model), 0.0
    after = outputs_lengths(model, trial.lengths, len(whole))
    for row in range(trial.rows):
        for index, alone in enumerate(trial.call(model, *trial.cut(row))):
            worst = max(worst, expect_row(f"output {index}", row, alone, whole[index], after[index], trial.tolerance))
    return worst


def expect_row(
    what: str, row: int, alone: HostArray, whole: HostArray, lengths: Any, tolerance: float, scale: float = 0.01
) -> float:
    """Return how far a row's output alone is from the one in a batch, or raise; past its end there must be zeros."""
    expected = whole[row]
    if lengths is not None:
        steps = int(lengths[row])
        if expected[steps:].any():
            raise CheckError(
                f"{what}, row {row}: expected zeros past its {steps} steps, got {expected[steps:].max():.3g}"
            )
        expected = expected[:steps]
        alone = alone if steps else alone[:, :0]  # of a row without steps, one of padding
    return expect_close(f"{what}, row {row} alone", alone[0], expected, tolerance, scale)


def padding(trial: ModelTrial) -> float:
    """Check that neither what stands past the ends, nor how much of it, changes anything."""
    if trial.lengths is None:
        raise Skip("no lengths")
    model = trial.shared
    expected, worst = trial.call(model), 0.0
    for more in (0,) if trial.fixed_time else (0, 3):
        got = trial.call(model, padded(trial, more))
        cut = [one[:, : other.shape[1]] if other.ndim > 2 else one for one, other in zip(got, expected, strict=True)]
        worst = max(worst, expect_alike(f"with other padding, {more} steps more", cut, expected, trial.tolerance))
    return worst


def padded(trial: ModelTrial, more: int) -> list[HostArray]:
    """Return the inputs with large numbers, or other integers that occur, past the ends, and so many steps more."""
    changed = []
    for index, value in enumerate(trial.values):
        own = trial.lengths_of(index)
        if own is not None:
            integers = value.dtype.kind in "iu"
            filler = value.max() if integers else _PADDING
            longer = np.full((value.shape[0], value.shape[1] + more, *value.shape[2:]), filler, value.dtype)
            valid = np.arange(value.shape[1]) < own[:, None]
            longer[:, : value.shape[1]][valid] = value[valid]
            value = longer
        changed.append(value)
    return changed


def row_order(trial: ModelTrial) -> float:
    """Check that rows in another order give their outputs in that order."""
    model = trial.shared
    expected, order = trial.call(model), np.roll(np.arange(trial.rows)[::-1], 1)
    got = trial.call(model, [value[order] for value in trial.values], trial.pick(order))
    return expect_alike("with rows in another order", got, [one[order] for one in expected], trial.tolerance)


def changes_nothing(trial: ModelTrial) -> None:
    """Check that calls, predictions and evaluation leave weights, gradients, draws, inputs and loss as they were."""
    model = trial.fresh()
    trial.run(model)
    weights = model.state_dict()
    gradients = {one.name: one.numpy() * 0 + model.backend.to_numpy(one.grad) for one in model.parameters()}
    draws = {path: layer.draws for path, layer in model.walk() if isinstance(layer, RandomLayer)}
    values = [value.copy() for value in trial.values]
    arguments = {path: repr(layer) for path, layer in model.walk()}
    losses = [one for one in as_tuple(trial.loss) if one is not None]
    of_losses = [str(vars(one)) for one in losses]
    trial.call(model)
    trainer = Trainer(model, **trial.require_goals().settings()) if losses else Trainer(model)
    trainer.predict(trial.x, lengths=trial.lengths)
    if losses:
        trainer.evaluate(trial.x, trial.target, lengths=trial.lengths)
    for one, as_it_was in zip(losses, of_losses, strict=True):
        if str(vars(one)) != as_it_was:
            raise CheckError(f"loss: expected {as_it_was} in it after inference, got {vars(one)}")
    for name, array in model.state_dict().items():
        expect_same_bits(f"{name!r} after inference", array, weights[name])
    for one in model.parameters():
        expect_same_bits(
            f"gradient of {one.name!r} after inference", model.backend.to_numpy(one.grad), gradients[one.name]
        )
    for value, before in zip(trial.values, values, strict=True):
        expect_same_bits("an input after inference", value, before)
    for path, layer in model.walk():
        if isinstance(layer, RandomLayer) and layer.draws != draws[path]:
            raise CheckError(f"{layer.label}: expected no draws in inference, got some")
        if repr(layer) != arguments[path]:
            raise CheckError(f"{layer.label}: expected {arguments[path]} after inference, got {layer!r}")


def in_threads(trial: ModelTrial) -> float:
    """Check that calls from several threads give what they give one after another."""
    model = trial.shared
    orders = [np.roll(np.arange(trial.rows), shift) for shift in range(6)]

    def call(order: Any) -> list[HostArray]:
        return trial.call(model, [value[order] for value in trial.values], trial.pick(order))

    expected, worst = [call(order) for order in orders], 0.0
    with ThreadPoolExecutor(3) as pool:
        for got, wanted in zip(pool.map(call, orders), expected, strict=True):
            worst = max(worst, expect_alike("called from threads", got, wanted, trial.tolerance))
    return worst
