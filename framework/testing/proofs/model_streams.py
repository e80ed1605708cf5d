"""The relation of a model's streams: in pieces it gives what it gives at once, whichever inputs come whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations, pairwise
from typing import Any

import numpy as np

from lamina.compose.stream import Stream
from lamina.core.shapes import as_tuple
from lamina.errors import StreamError
from lamina.testing.proofs.arrays import HostArray
from lamina.testing.proofs.model_calls import expect_alike, outputs_lengths
from lamina.testing.proofs.model_trial import ModelTrial
from lamina.testing.proofs.passes import hosts
from lamina.testing.report import Skip

__all__ = ["streams"]


def streams(trial: ModelTrial) -> float:
    """Check that a stream gives in pieces, one step among them, what the whole sequence gives.

    Every choice of inputs is given whole in turn, none first. After the first piece another stream goes on from the
    state; in the end a row begins again.
    """
    found: list[float] = []
    reasons: list[str] = []
    for count in range(len(trial.values)):
        for whole in combinations(range(len(trial.values)), count):
            try:
                found += _in_pieces(trial, whole)
            except Skip as reason:
                reasons.append(str(reason))
    if not found:
        raise Skip(reasons[0])
    return max(found)


def _in_pieces(trial: ModelTrial, whole: tuple[int, ...]) -> Iterator[float]:
    """Yield how far pieces are from the whole, without lengths and with them, or skip."""
    model = trial.shared
    stepping = [index for index in range(len(trial.values)) if index not in whole]
    if not all(trial.timed[index] for index in stepping):
        raise Skip("an input has no time axis")
    if any(model.input_shapes[index][1] is not None for index in stepping):
        raise Skip("built for a fixed time")
    try:
        Stream(model, whole)
    except StreamError as error:
        raise Skip(f"cannot stream: {error}") from None
    time = min(trial.values[index].shape[1] for index in stepping)
    values = [value[:, :time] if index in stepping else value for index, value in enumerate(trial.values)]
    for ragged in (False, True) if trial.lengths is not None else (False,):
        lengths = [trial.lengths_of(index) if ragged else None for index in range(len(values))]
        if ragged:  # those that come together have the same lengths
            own = next((lengths[index] for index in stepping if lengths[index] is not None), None)
            for index in stepping:
                lengths[index] = None if own is None else np.minimum(own, time)
        yield _compared(trial, whole, values, lengths, time)


def _compared(
    trial: ModelTrial, whole: tuple[int, ...], values: Sequence[HostArray], lengths: Sequence[Any], time: int
) -> float:
    """Return how far a stream's outputs are from those of a call."""
    model, given = trial.shared, [values[index] for index in whole]
    stepping = [index for index in range(len(values)) if index not in whole]
    own = lengths[stepping[0]]
    what = f"in pieces{'' if own is None else ', ragged'}{f', inputs {whole} whole' if whole else ''}"
    ragged = any(one is not None for one in lengths)
    expected = trial.call(model, values, tuple(lengths) if len(lengths) > 1 else lengths[0])
    full = tuple(
        np.full(trial.rows, value.shape[1]) if timed else None for value, timed in zip(values, trial.timed, strict=True)
    )
    after = outputs_lengths(model, full if len(full) > 1 else full[0], len(expected))
    wholes = as_tuple(model.open_stream(1, tuple(index in whole for index in range(len(values))))[0]) if whole else ()

    stream = Stream(model, whole)
    if whole:
        stream.begin(*given, lengths=tuple(lengths[index] for index in whole) if ragged else None)
    pieces: list[tuple[list[HostArray], bool]] = []
    cuts = _cuts(time)
    for start, stop in (*cuts, cuts[0]):
        if len(pieces) == len(cuts):
            stream.reset([0])
        single = stop - start == 1 and own is None
        part = [values[index][:, start] if single else values[index][:, start:stop] for index in stepping]
        options = {} if own is None else {"lengths": np.clip(own - start, 0, stop - start)}
        pieces.append((hosts(model, stream(*part, **options)), single))
        if len(pieces) == 1:
            state, stream = stream.state, Stream(model, whole)
            stream.state = state
    (again, _), (first, _) = pieces.pop(), pieces[0]

    joined = []
    for index, (output, steps) in enumerate(zip(expected, after, strict=True)):
        timed = steps is not None and output.ndim > 2 and not (any(wholes) and wholes[index])
        parts = [found[index][:, None] if single and timed else found[index] for found, single in pieces]
        joined.append(np.concatenate(parts, axis=1) if timed else parts[-1])
    worst = expect_alike(what, joined, expected, trial.tolerance)
    begun = [one[:1] for one in again], [one[:1] for one in first]
    return max(worst, expect_alike(f"{what}, of a row that began again", *begun, trial.tolerance))


def _cuts(time: int) -> list[tuple[int, int]]:
    """Return where pieces begin and end: one step, two, one, and what is left."""
    edges = sorted({0, *[edge for edge in (1, 3, 4) if edge < time], time})
    return list(pairwise(edges))
