"""Spans out of tags that mark where one begins and goes on: the BIO scheme."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from lamina.core.host import as_host
from lamina.core.labels import refuse_first
from lamina.errors import ArgumentError, DataError

__all__ = ["Span", "bio_transitions", "spans"]

NumpyArray: TypeAlias = np.ndarray[Any, Any]


class Span(NamedTuple):
    """A stretch of steps of one kind.

    Attributes
    ----------
    kind : str
        What stands after ``B-`` and ``I-``; empty for a plain ``B`` and ``I``.
    start, stop : int
        The first step, and the one after the last.
    """

    kind: str
    start: int
    stop: int


def spans(tags: Any, names: Any = None) -> list[Span]:
    """Return the spans of one sequence of BIO tags, in their order.

    ``B-x`` begins a span of kind x, ``I-x`` goes on with it, ``O`` is outside (Ramshaw and Marcus, 1995). An ``I-x``
    that follows no span of kind x begins one, as the CoNLL-2000 evaluation counts it: models are not always
    consistent, and `viterbi` with `bio_transitions` makes them so.

    Parameters
    ----------
    tags : sequence of str, or of integers with ``names``
        Of one row; a decoder's ``names`` or ``labels``.
    names : sequence of str, optional
        What each label is called.

    Returns
    -------
    list of Span

    Raises
    ------
    DataError
        If a tag is none of the scheme, or a label has no name.
    ArgumentError
        If tags are no sequence, or integers without names.

    Examples
    --------
    >>> spans(["B-city", "I-city", "O", "B-day", "B-day"])
    [Span(kind='city', start=0, stop=2), Span(kind='day', start=3, stop=4), Span(kind='day', start=4, stop=5)]
    """
    found: list[Span] = []
    begun: tuple[str, int] | None = None  # the kind and the first step of the span that goes on
    read = [_parts("spans", tag, step) for step, tag in enumerate(_read_tags(tags, names))]
    for step, (mark, kind) in enumerate([*read, ("O", "")]):
        if begun is not None and (mark != "I" or kind != begun[0]):
            found.append(Span(*begun, step))
            begun = None
        if mark != "O" and begun is None:
            begun = kind, step
    return found


def bio_transitions(names: Sequence[str]) -> tuple[NumpyArray, NumpyArray]:
    """Return transitions and a start for `viterbi` under which each ``I-x`` follows a ``B-x`` or an ``I-x``.

    Parameters
    ----------
    names : sequence of str
        What each tag is called.

    Returns
    -------
    transitions : ndarray of float64, shape (tags, tags)
        0 where a tag may follow another, ``-inf`` where not.
    start : ndarray of float64, shape (tags,)
        0 where a tag may be the first, ``-inf`` where not.

    Raises
    ------
    DataError
        If a name is none of the scheme.
    ArgumentError
        If names are no sequence of them.

    Examples
    --------
    >>> transitions, start = bio_transitions(["O", "B-day", "I-day"])
    >>> transitions.tolist(), start.tolist()
    ([[0.0, 0.0, -inf], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]], [0.0, 0.0, -inf])
    """
    owner = "bio_transitions"
    read = [_parts(owner, name, index) for index, name in enumerate(_sequence(owner, "names", names))]
    transitions = np.zeros((len(read), len(read)))
    start = np.zeros(len(read))
    for place, (mark, kind) in enumerate(read):
        if mark == "I":
            start[place] = -np.inf
            transitions[[before[0] == "O" or before[1] != kind for before in read], place] = -np.inf
    return transitions, start


def _sequence(owner: str, name: str, value: Any) -> list[Any]:
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
        raise ArgumentError(f"{owner}: expected {name} to be a sequence of tags, got {value!r}")
    return list(value)


def _read_tags(tags: Any, names: Any) -> list[Any]:
    """Return tags as text, integers by their names."""
    found = _sequence("spans", "tags", tags)
    if not found or isinstance(found[0], str):
        return found
    labels = as_host(found, "spans: tags")
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise ArgumentError(f"spans: expected one sequence of tags, got an array of {labels.dtype}, {labels.shape}")
    if names is None:
        raise ArgumentError("spans: expected names for tags that are integers, got none")
    called = _sequence("spans", "names", names)
    wrong = (labels < 0) | (labels >= len(called))
    if wrong.any():
        refuse_first("spans", f"labels from 0 to {len(called) - 1}", labels, wrong)
    return [called[label] for label in labels.tolist()]


def _parts(owner: str, tag: Any, index: int) -> tuple[str, str]:
    """Return a tag's mark, B, I or O, and its kind."""
    mark, dash, kind = tag.partition("-") if isinstance(tag, str) else ("", "", "")
    if (mark == "O" and not dash) or mark in ("B", "I"):
        return mark, kind
    raise DataError(f"{owner}: expected tags 'O', 'B-...' or 'I-...', got {tag!r} at index {index}")
