"""Label sequences out of what a model trained with CTC gives: its likeliest path, or its likeliest labelling."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from lamina.core.arguments import whole
from lamina.core.shapes import Lengths
from lamina.decoding.reading import Decoded, decoded, log_softmax, read_names, read_scores
from lamina.errors import ShapeError

__all__ = ["ctc_beam_search", "ctc_greedy"]

NumpyArray: TypeAlias = np.ndarray[Any, Any]


def ctc_greedy(logits: Any, lengths: Any = None, blank: int = 0, names: Any = None) -> list[Decoded]:
    """Return the labels of each row's likeliest path: the likeliest class a step, repeats merged, blanks dropped.

    The likeliest path need not be one of the likeliest labelling, which is a sum over paths: see `ctc_beam_search`.
    (Graves et al., 2006, best path decoding.)

    Parameters
    ----------
    logits : (batch, time, classes)
        Or log-probabilities.
    lengths : (batch,) integers, optional
        The number of valid steps of each row; all of them if not given.
    blank : int
        The class that stands for no label, as in the loss `CTC`.
    names : sequence, optional
        What each class is called, the blank included.

    Returns
    -------
    list of Decoded
        One a row; ``score`` is the natural logarithm of the path's probability.

    Raises
    ------
    ShapeError, DTypeError, DataError, ArgumentError

    Examples
    --------
    >>> path = [1, 1, 0, 1, 2]
    >>> found = ctc_greedy(np.log(0.1 + 0.7 * np.eye(3)[[path]]), names=["", "a", "b"])[0]
    >>> found.labels.tolist(), "".join(found.names), round(found.score, 4)
    ([1, 1, 2], 'aab', -1.1157)
    """
    scores, lengths, blank, called = _read("ctc_greedy", logits, lengths, blank, names)
    best = scores.argmax(axis=-1)
    result = []
    for path, row, steps in zip(best, scores, lengths.tolist(), strict=True):
        path = path[:steps]
        kept = path != blank
        kept[1:] &= path[1:] != path[:-1]
        result.append(decoded(path[kept], row[np.arange(steps), path].sum(), called))
    return result


def ctc_beam_search(
    logits: Any, lengths: Any = None, beam_width: int = 100, paths: int = 1, blank: int = 0, names: Any = None
) -> list[list[Decoded]]:
    """Return the likeliest labellings of each row, the best first, found by a search over prefixes.

    The probability of a prefix l after step t is that of all paths that give l; it is kept in two parts, of the paths
    that end in a blank, b, and of those that end in its last label, n (Graves, 2012; Hannun et al., 2014):

        b_t(l) = p_t(blank) (b_t-1(l) + n_t-1(l))
        n_t(l) = p_t(last of l) (n_t-1(l) + b_t-1(l') + [last of l' is not that of l] n_t-1(l')),  l' = l without it

    After each step the ``beam_width`` likeliest prefixes stay. If none had to go, the probabilities are exact.

    Parameters
    ----------
    logits : (batch, time, classes)
        Or log-probabilities.
    lengths : (batch,) integers, optional
        The number of valid steps of each row; all of them if not given.
    beam_width : int
        How many prefixes stay after each step.
    paths : int
        How many labellings are returned, at most; there may be fewer.
    blank : int
        The class that stands for no label, as in the loss `CTC`.
    names : sequence, optional
        What each class is called, the blank included.

    Returns
    -------
    list of list of Decoded
        For each row its labellings; ``score`` is the natural logarithm of a labelling's probability, as far as the
        prefixes that stayed make it up.

    Raises
    ------
    ShapeError, DTypeError, DataError, ArgumentError

    Examples
    --------
    >>> first, second = ctc_beam_search(np.log([[[0.6, 0.4], [0.6, 0.4]]]), paths=2)[0]
    >>> first.labels.tolist(), round(first.score, 4)  # log(0.4 * 0.4 + 2 * 0.4 * 0.6)
    ([1], -0.4463)
    >>> second.labels.tolist(), round(second.score, 4)
    ([], -1.0217)
    """
    scores, lengths, blank, called = _read("ctc_beam_search", logits, lengths, blank, names)
    beam_width = whole("ctc_beam_search", "beam_width", beam_width)
    paths = whole("ctc_beam_search", "paths", paths)
    return [
        [decoded(labels, score, called) for labels, score in _search(row[:steps], beam_width, blank)[:paths]]
        for row, steps in zip(scores, lengths.tolist(), strict=True)
    ]


def _read(
    owner: str, logits: Any, lengths: Any, blank: Any, names: Any
) -> tuple[NumpyArray, Lengths, int, tuple[Any, ...] | None]:
    """Return log-probabilities, lengths, the blank and the names, all checked."""
    scores, lengths = read_scores(owner, logits, lengths)
    classes = scores.shape[2]
    blank = whole(owner, "blank", blank, least=0)
    if blank >= classes:
        raise ShapeError(f"{owner}: expected more than {blank} classes, the blank, got {classes}")
    return log_softmax(owner, scores), lengths, blank, read_names(owner, names, classes)


class _Prefixes:
    """A tree of label sequences: each is a number, known by the one that it extends and its last label.

    A prefix that left the beam and comes back has its old number, so that what extended it meanwhile still finds it.
    """

    def __init__(self) -> None:
        self.parents, self.labels = [-1], [-1]
        self._known: dict[tuple[int, int], int] = {}

    def extended(self, prefix: int, label: int) -> int:
        """Return the number of a prefix with a label after it."""
        number = self._known.setdefault((prefix, label), len(self.labels))
        if number == len(self.labels):
            self.parents.append(prefix)
            self.labels.append(label)
        return number

    def sequence(self, prefix: int) -> list[int]:
        """Return a prefix's labels."""
        found = []
        while prefix:
            found.append(self.labels[prefix])
            prefix = self.parents[prefix]
        return found[::-1]


def _search(scores: NumpyArray, width: int, blank: int) -> list[tuple[list[int], float]]:
    """Return the labellings that are left after all steps of a row (time, classes), and their log-probabilities."""
    classes = scores.shape[1]
    tree = _Prefixes()
    numbers = np.zeros(1, np.int64)  # the empty prefix
    in_blank, in_label = np.zeros(1), np.full(1, -np.inf)
    for step in scores:
        last = np.array([tree.labels[number] for number in numbers.tolist()])
        both = np.logaddexp(in_blank, in_label)
        longer = both[:, None] + step
        longer[:, blank] = -np.inf
        named = np.flatnonzero(last >= 0)  # all but the empty prefix
        longer[named, last[named]] = in_blank[named] + step[last[named]]
        stay_blank, stay_label = both + step[blank], np.full(len(numbers), -np.inf)
        stay_label[named] = in_label[named] + step[last[named]]
        # A prefix in the beam may also come about by extending another that is in it.
        places = {number: place for place, number in enumerate(numbers.tolist())}
        for place in named.tolist():
            parent = places.get(tree.parents[numbers[place]])
            if parent is not None:
                stay_label[place] = np.logaddexp(stay_label[place], longer[parent, last[place]])
                longer[parent, last[place]] = -np.inf
        candidates = np.concatenate([np.logaddexp(stay_blank, stay_label), longer.reshape(-1)])
        chosen = _largest(candidates, width)
        kept, new = chosen[chosen < len(numbers)], chosen[chosen >= len(numbers)] - len(numbers)
        origins, labels = np.divmod(new, classes)
        added = [tree.extended(*one) for one in zip(numbers[origins].tolist(), labels.tolist(), strict=True)]
        in_blank = np.concatenate([stay_blank[kept], np.full(len(new), -np.inf)])
        in_label = np.concatenate([stay_label[kept], longer[origins, labels]])
        numbers = np.concatenate([numbers[kept], np.array(added, np.int64)])
    totals = np.logaddexp(in_blank, in_label)
    order = np.argsort(-totals, kind="stable").tolist()
    return [(tree.sequence(int(numbers[place])), float(totals[place])) for place in order]


def _largest(values: NumpyArray, count: int) -> NumpyArray:
    """Return the places of the largest values above negative infinity, at most ``count``, in their order."""
    places = np.flatnonzero(values > -np.inf)
    if len(places) > count:
        places = np.sort(places[np.argpartition(-values[places], count - 1)[:count]])
    return places
