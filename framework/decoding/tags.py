"""A tag for every step: the likeliest each by itself, or the likeliest sequence under transitions between tags."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from lamina.core.host import as_host
from lamina.decoding.reading import Decoded, decoded, log_softmax, read_names, read_scores
from lamina.errors import DataError, DTypeError, ShapeError

__all__ = ["argmax_tags", "viterbi"]

NumpyArray: TypeAlias = np.ndarray[Any, Any]


def argmax_tags(logits: Any, lengths: Any = None, names: Any = None) -> list[Decoded]:
    """Return the likeliest tag of each valid step, each step by itself.

    Parameters
    ----------
    logits : (batch, time, tags)
        Or log-probabilities.
    lengths : (batch,) integers, optional
        The number of valid steps of each row; all of them if not given.
    names : sequence, optional
        What each tag is called.

    Returns
    -------
    list of Decoded
        One a row, with as many labels as it has steps; ``score`` is the natural logarithm of their probability, the
        product over the steps.

    Raises
    ------
    ShapeError, DTypeError, DataError, ArgumentError

    Examples
    --------
    >>> logits = np.log([[[0.8, 0.2], [0.4, 0.6], [0.5, 0.5]]])
    >>> found = argmax_tags(logits, lengths=[2], names=["O", "B"])[0]
    >>> found.names, round(found.score, 4)  # log(0.8 * 0.6)
    (['O', 'B'], -0.734)
    """
    scores, lengths = read_scores("argmax_tags", logits, lengths, "tags")
    scores, called = log_softmax("argmax_tags", scores), read_names("argmax_tags", names, scores.shape[2])
    return [
        decoded(row[:steps].argmax(axis=-1), row[:steps].max(axis=-1).sum(), called)
        for row, steps in zip(scores, lengths.tolist(), strict=True)
    ]


def viterbi(
    scores: Any, transitions: Any, lengths: Any = None, start: Any = None, end: Any = None, names: Any = None
) -> list[Decoded]:
    """Return the tag sequence of the highest score of each row, under transitions between tags (Viterbi, 1967).

    With step scores e, transitions A, start s and end f, the sequence y maximizes

        s(y_1) + sum_t e_t(y_t) + sum_t A(y_t-1, y_t) + f(y_T)

    as in a linear-chain conditional random field (Lafferty et al., 2001), or, where all are log-probabilities, a
    hidden Markov model. Among equals the lower tag wins, from the last step backwards.

    Parameters
    ----------
    scores : (batch, time, tags)
        Taken as they are: logits are not normalised.
    transitions : (tags, tags)
        From the tag of the row to the tag of the column; ``-inf`` forbids one.
    lengths : (batch,) integers, optional
        The number of valid steps of each row; all of them if not given.
    start, end : (tags,), optional
        Added for the first and the last tag; 0 if not given.
    names : sequence, optional
        What each tag is called.

    Returns
    -------
    list of Decoded
        One a row, with as many labels as it has steps; ``score`` is the sum above, 0 for a row without steps.

    Raises
    ------
    ShapeError, DTypeError, ArgumentError
    DataError
        If a score is NaN or positive infinity, or every sequence of a row is forbidden.

    Examples
    --------
    >>> stay = np.array([[0.0, -5.0], [-5.0, 0.0]])
    >>> found = viterbi([[[2.0, 0.0], [0.0, 1.0], [2.0, 0.0]]], stay)[0]
    >>> found.labels.tolist(), found.score
    ([0, 0, 0], 4.0)
    """
    owner = "viterbi"
    steps_scores, lengths = read_scores(owner, scores, lengths, "tags")
    batch, time, tags = steps_scores.shape
    called = read_names(owner, names, tags)
    moves = _read_table("transitions", transitions, (tags, tags))
    first = np.zeros(tags) if start is None else _read_table("start", start, (tags,))
    final = np.zeros(tags) if end is None else _read_table("end", end, (tags,))
    if not batch or not time:
        return [decoded([], 0.0, called) for _ in range(batch)]
    best = steps_scores[:, 0] + first  # (batch, tags): of the best sequences that end in each tag
    origins = np.zeros((time, batch, tags), np.int64)
    for step in range(1, time):
        reached = best[:, :, None] + moves
        origins[step] = reached.argmax(axis=1)
        found = reached.max(axis=1) + steps_scores[:, step]
        best = np.where((step < lengths)[:, None], found, best)
    best = best + final
    rows, tag, total = np.arange(batch), best.argmax(axis=1), best.max(axis=1)
    forbidden = (total == -np.inf) & (lengths > 0)
    if forbidden.any():
        raise DataError(f"{owner}: expected a sequence that is not forbidden, got none for row {forbidden.argmax()}")
    sequences = np.zeros((batch, time), np.int64)
    for step in range(time - 1, -1, -1):
        sequences[:, step] = tag
        tag = np.where(step < lengths, origins[step, rows, tag], tag)
    return [
        decoded(labels[:steps], score if steps else 0.0, called)
        for labels, score, steps in zip(sequences, total.tolist(), lengths.tolist(), strict=True)
    ]


def _read_table(name: str, value: Any, shape: tuple[int, ...]) -> NumpyArray:
    """Return scores between tags as float64 of a shape, below infinity."""
    table = as_host(value, f"viterbi: {name}")
    if table.shape != shape:
        raise ShapeError(f"viterbi: expected {name} {shape}, one for each tag, got {table.shape}")
    if table.dtype.kind not in "fiu":
        raise DTypeError(f"viterbi: expected numbers as {name}, got an array of {table.dtype}")
    table = table.astype(np.float64)
    wrong = np.isnan(table) | (table == np.inf)
    if wrong.any():
        place = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise DataError(
            f"viterbi: expected {name} below infinity, got {table[place]} at {place if len(place) > 1 else place[0]}"
        )
    return table
