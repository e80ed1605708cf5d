"""Relations of a model's forward and backward passes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np

from lamina.core.layer import Layer
from lamina.errors import LaminaError
from lamina.testing.differences import BlurredError
from lamina.testing.gradients import check_gradients
from lamina.testing.proofs.arrays import HostArray, expect_close
from lamina.testing.proofs.model_calls import expect_alike, expect_row, outputs_lengths, padded
from lamina.testing.proofs.model_copies import expect_pass
from lamina.testing.proofs.model_trial import ModelTrial
from lamina.testing.proofs.passes import hosts, parameter_gradients
from lamina.testing.report import CheckError, Skip

__all__ = ["backward_in_threads", "forward", "gradient_values", "interleaved", "padded_passes", "rows_of_gradients"]

# Steps and points of central differences, in the order in which they are tried.
_DIFFERENCES = ((1e-6, 2), (1e-4, 2), (1e-4, 4), (1e-3, 4), (1e-5, 2), (1e-5, 4), (1e-7, 2))


def forward(trial: ModelTrial) -> str:
    """Check that forward gives what the call does; where it draws, that a row alone draws what it does in the batch."""
    model = trial.fresh()
    y, _ = trial.forward(model)
    got = hosts(model, y)
    again = hosts(model, trial.forward(trial.fresh())[0])
    expect_alike("of forward, run again", again, got, 0)
    if not trial.differs:
        expect_alike("of forward, against the call's", got, trial.call(trial.shared), trial.tolerance)
        return ""
    if trial.moves:
        return "moves its statistics: compared with itself alone"
    after = outputs_lengths(model, trial.lengths, len(got))
    for row in range(trial.rows):
        alone = hosts(model, trial.forward(model, *trial.cut(row), before=row)[0])
        for index, one in enumerate(alone):
            expect_row(f"output {index} of forward", row, one, got[index], after[index], trial.tolerance)
    return "under fixed draws"


def gradient_values(trial: ModelTrial, tolerance: float) -> float:
    """Check all gradients with central differences in float64, of drawn weights of the outputs and of the loss.

    Where a value lies on a kink, as ReLU has one at 0, the slope there is another: another point then decides, and a
    step of another size, as one too short drowns in rounding that the model enlarges. A wrong gradient passes at none.
    """
    model, worst = trial.built(dtype="float64"), 0.0
    pairs: list[dict[str, Any]] = [{}]
    if trial.loss is not None:
        pairs.append({"loss": trial.loss, "target": trial.target})
    for options in pairs:
        for attempt, (step, points) in enumerate(_DIFFERENCES):
            common = {"lengths": trial.lengths, "tolerance": tolerance, "seed": trial.seed}
            try:
                found = check_gradients(model, *trial.values, step=step, points=points, **common, **options)
            except CheckError as error:
                if attempt + 1 == len(_DIFFERENCES):
                    if isinstance(error, BlurredError):
                        raise Skip("rounding hides the gradients, at several points") from None
                    raise
                _move(model, attempt)
            else:
                worst = max(worst, found)
                break
    return worst


def _move(model: Layer, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for parameter in model.parameters():
        if parameter.trainable:
            parameter.data = parameter.numpy() + 0.03 * rng.standard_normal(parameter.shape)


def rows_of_gradients(trial: ModelTrial) -> float:
    """Check that the gradients of a batch are the sums of its rows' alone, with zeros past the rows' ends."""
    if trial.moves:
        raise Skip("rows depend on one another in training")
    model = trial.shared
    whole = trial.run(model)
    dy, worst = trial.gradients_for(whole.outputs), 0.0
    after = outputs_lengths(model, trial.lengths, len(whole.outputs))
    total = {name: np.zeros_like(array) for name, array in whole.gradients.items()}
    for row in range(trial.rows):
        values, lengths = trial.cut(row)
        shapes = [one.shape for one in hosts(model, trial.forward(model, values, lengths, before=row)[0])]
        own = [
            one[row : row + 1] if steps is None else one[row : row + 1, : shape[1]]
            for one, steps, shape in zip(dy, after, shapes, strict=True)
        ]
        alone = trial.run(model, values, lengths, own, before=row)
        for name, array in alone.gradients.items():
            total[name] += array
        for index, dx in enumerate(alone.dx):
            together = whole.dx[index]
            if (dx is None) != (together is None):
                raise CheckError(f"dx {index}: expected one for a row alone as for the batch")
            if dx is not None and together is not None:
                what = f"dx {index}"
                ends = trial.lengths_of(index)
                worst = max(worst, expect_row(what, row, dx, together, ends, trial.tolerance, whole.scale))
    for name, array in whole.gradients.items():
        worst = max(
            worst, expect_close(f"gradient of {name!r}, against the rows'", array, total[name], trial.tolerance)
        )
    return worst


def padded_passes(trial: ModelTrial) -> float:
    """Check that what stands past the ends, in inputs and in dy, changes no gradient."""
    if trial.lengths is None:
        raise Skip("no lengths")
    model = trial.fresh()
    expected = trial.run(model)
    after = outputs_lengths(model, trial.lengths, len(expected.outputs))
    dy = trial.gradients_for(expected.outputs)
    for one, own in zip(dy, after, strict=True):
        if own is not None and one.ndim > 2:
            one[np.arange(one.shape[1]) >= np.asarray(own)[:, None]] = 100.0
    got = trial.run(trial.fresh(), padded(trial, 0), dy=dy)
    return expect_pass("with other padding and other gradients past the ends", got, expected, trial.tolerance)


def interleaved(trial: ModelTrial) -> float:
    """Check that passes side by side add up: last first, gradients read and scaled in between, with dx and without."""
    model = trial.fresh()
    order = np.roll(np.arange(trial.rows), 1)
    values, lengths = [value[order] for value in trial.values], trial.pick(order)
    if trial.moves:
        model.zero_grad()  # each pass has its own batch's statistics, so the sum holds all the same
    first = trial.run(trial.fresh())
    second = trial.run(trial.fresh(), values, lengths)
    model.zero_grad()
    y, saved = trial.forward(model)
    other, also = trial.forward(model, values, lengths)
    trial.backward(model, other, also)
    parameter_gradients(model)
    for parameter in model.parameters():
        if parameter.trainable:
            parameter.grad *= 0.5
    wanted_dx = trial.backward(model, y, saved, input_gradient=False)
    if any(one is not None for one in wanted_dx):
        raise CheckError("backward with input_gradient=False: expected None in place of each input's gradient")
    got, worst = parameter_gradients(model), 0.0
    for name, array in got.items():
        wanted = first.gradients[name] + 0.5 * second.gradients[name]
        what = f"gradient of {name!r}, of two passes"
        worst = max(worst, expect_close(what, array, wanted, trial.tolerance, first.scale))
    model.zero_grad()
    for name, array in parameter_gradients(model).items():
        if array.any():
            raise CheckError(f"gradient of {name!r}: expected zeros after zero_grad")
    return worst


def backward_in_threads(trial: ModelTrial) -> float:
    """Check that forward and backward from several threads add up as one after another, or raise every time."""
    model, worst = trial.fresh(), 0.0
    orders = [np.roll(np.arange(trial.rows), shift) for shift in range(4)]
    batches = [([value[order] for value in trial.values], trial.pick(order)) for order in orders]
    alone = [trial.run(trial.fresh(), *batch) for batch in batches]
    model.zero_grad()

    def run(batch: Any) -> list[HostArray]:
        y, saved = trial.forward(model, *batch)
        trial.backward(model, y, saved)
        return hosts(model, y)

    with _switching_often(), ThreadPoolExecutor(len(batches)) as pool:
        futures = [pool.submit(run, batch) for batch in batches]
        errors = [future.exception() for future in futures]
    raised = [error for error in errors if error is not None]
    if raised:
        if len(raised) == len(batches) and all(isinstance(error, LaminaError) for error in raised):
            raise Skip(f"refuses threads: {raised[0]}")
        raise raised[0]
    if not trial.moves:  # otherwise the rounding of running means depends on their order
        for future, one in zip(futures, alone, strict=True):
            worst = max(worst, expect_alike("of forward in threads", future.result(), one.outputs, trial.tolerance))
    for name, array in parameter_gradients(model).items():
        wanted = np.sum([one.gradients[name] for one in alone], axis=0)
        what, scale = f"gradient of {name!r}, of threads", alone[0].scale
        worst = max(worst, expect_close(what, array, wanted, trial.tolerance, scale))
    return worst


@contextmanager
def _switching_often() -> Iterator[None]:
    """Let threads be switched as often as can be, so that what is not safe shows."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(before)
