"""The check of a layer's stream: a sequence in pieces gives what it gives at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, combinations
from typing import Any

import numpy as np

from lamina.compose.stream import Stream
from lamina.core.layer import Layer
from lamina.core.lengths import lengths_after
from lamina.core.shapes import Lengths, as_tuple
from lamina.errors import ShapeError, StreamError
from lamina.kinds.random import fixed_draws
from lamina.testing.proofs.arrays import as_list, differences, expect_close, to_host
from lamina.testing.proofs.passes import Outcome, hosts, parameter_gradients
from lamina.testing.proofs.trial import Trial
from lamina.testing.report import Skip

__all__ = ["streaming"]

_ROUNDING = 1e-12


def streaming(trial: Trial) -> str | None:
    """Check that a layer refuses to stream, or gives in pieces what it gives at once, and trains from a piece.

    So it does where some of several inputs are given whole and the others come in pieces, or it refuses that.
    """
    if trial.time is None:
        raise Skip("no time axis, or lengths=False")
    count = len(trial.values)
    for whole in chain.from_iterable(combinations(range(count), number) for number in range(1, count)):
        _with_whole(trial, whole)
    return _all_in_pieces(trial)


def _with_whole(trial: Trial, whole: tuple[int, ...]) -> None:
    """Check a stream that is given some inputs whole, where the layer takes that."""
    stepping = [index for index in range(len(trial.values)) if index not in whole]
    if not all(trial.has_time(trial.values[index], index) for index in stepping):
        return
    try:
        layer = trial.build(any_time=True)
        Stream(layer, whole)
    except (StreamError, ShapeError):
        return
    values, time = trial.values, trial.values[stepping[0]].shape[1]
    wholes = as_tuple(layer.open_stream(1, tuple(index in whole for index in range(len(values))))[0])
    for lengths in (None, trial.lengths):
        what = f"in pieces, inputs {whole} whole{'' if lengths is None else ', ragged'}"
        options: dict[str, Any] = {} if lengths is None else {"lengths": lengths}
        expected = hosts(layer, layer.infer(*trial.arrays(layer), **options))
        timed = [lengths is not None and trial.has_time(values[index], index) for index in whole]
        stream = Stream(layer, whole)
        stream.begin(*[values[index] for index in whole], lengths=tuple(lengths if own else None for own in timed))
        pieces = []
        for start in range(0, time, 2):
            stop = min(start + 2, time)
            more = {} if lengths is None else {"lengths": np.clip(lengths - start, 0, stop - start)}
            pieces.append(hosts(layer, stream(*[values[index][:, start:stop] for index in stepping], **more)))
        after = as_tuple(lengths_after(layer, np.ones(trial.batch, np.int64)))
        for index, (output, parts) in enumerate(zip(expected, zip(*pieces, strict=True), strict=True)):
            own = after[index] if len(after) == len(expected) else after[0]
            stays = own is None or output.ndim < 3 or wholes[index % len(wholes)]
            joined = parts[-1] if stays else np.concatenate(parts, axis=1)
            expect_close(f"output {index}, {what}", joined, output, _ROUNDING)


def _all_in_pieces(trial: Trial) -> str | None:
    """Check a stream of all inputs."""
    if not all(trial.has_time(value, index) for index, value in enumerate(trial.values)):
        return "not tried: an input has no time axis"
    try:
        layer = trial.build(any_time=True)
        layer.stream_state(trial.batch)
    except StreamError:
        return "refuses"
    except ShapeError:
        return "needs a fixed time axis"
    once, again = (as_list(layer.infer(*trial.arrays(layer))) for _ in range(2))
    if any(differences(to_host(layer.backend, a), to_host(layer.backend, b)) for a, b in zip(once, again, strict=True)):
        return "not tried: draws random numbers in inference"
    for lengths in (None, trial.lengths):
        what = "in pieces" if lengths is None else "in pieces, ragged"
        options = {} if lengths is None else {"lengths": lengths}
        whole = hosts(layer, layer.infer(*trial.arrays(layer), **options))
        timed = lengths_after(layer, np.ones(trial.batch, np.int64)) is not None
        pieces = [as_list(outputs) for outputs in _pieces(trial, layer, lengths)]
        for index, expected in enumerate(whole):
            parts = [to_host(layer.backend, outputs[index]) for outputs in pieces]
            joined = np.concatenate(parts, axis=1) if timed and expected.ndim > 2 else parts[-1]
            expect_close(f"output {index}, {what}", joined, expected, _ROUNDING)
        got, wanted = _trained(trial, layer, lengths), trial.run(layer, lengths=lengths)
        for (name, array), other in zip(got.named().items(), wanted.named().values(), strict=True):
            expect_close(f"{name}, streamed in training", array, other, _ROUNDING)
    return None


def _pieces(trial: Trial, layer: Layer, lengths: Lengths | None) -> Iterator[Any]:
    """Yield the outputs of the first step, of two after it, then of one and two in turn."""
    assert trial.time is not None
    state, start = None, 0
    while start < trial.time:
        stop = min(start + (2 if start % 3 else 1), trial.time)
        options: dict[str, Any] = {} if lengths is None else {"lengths": np.clip(lengths - start, 0, stop - start)}
        arrays = trial.arrays(layer, [value[:, start:stop] for value in trial.values])
        outputs, state, _ = layer.stream(*arrays, state=state, **options)
        yield outputs
        start = stop


def _trained(trial: Trial, layer: Layer, lengths: Lengths | None) -> Outcome:
    """Return what a whole sequence gives as one piece, in training."""
    layer.zero_grad()
    with fixed_draws(trial.seed):
        y, _, saved = layer.stream(*trial.arrays(layer), lengths=lengths, training=True)
    dx: Sequence[Any] = trial.backward(layer, y, saved)
    return Outcome(hosts(layer, y), hosts(layer, dx), parameter_gradients(layer))
