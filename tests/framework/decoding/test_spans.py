import re
from itertools import product
from typing import Any

import numpy as np
import pytest

from lamina.decoding import Span, bio_transitions, spans, viterbi
from lamina.errors import ArgumentError, DataError, LaminaError


@pytest.mark.parametrize(
    ("tags", "wanted"),
    [
        ("", []),
        ("O O", []),
        ("B-x", [("x", 0, 1)]),
        ("B-x I-x O", [("x", 0, 2)]),
        ("O B-x I-x I-x", [("x", 1, 4)]),
        ("B-x B-x I-x", [("x", 0, 1), ("x", 1, 3)]),
        ("B-x I-y I-y", [("x", 0, 1), ("y", 1, 3)]),
        ("O I-x I-x B-x", [("x", 1, 3), ("x", 3, 4)]),
        ("B-x O I-x", [("x", 0, 1), ("x", 2, 3)]),
        ("B I I O B", [("", 0, 3), ("", 4, 5)]),
        ("B-a-b I-a-b I-a", [("a-b", 0, 2), ("a", 2, 3)]),
    ],
)
def test_spans_are_read_off_the_tags(tags: str, wanted: list[tuple[str, int, int]]) -> None:
    assert spans(tags.split()) == [Span(*one) for one in wanted]


def test_spans_of_every_consistent_sequence_are_those_that_a_regular_expression_finds() -> None:
    letters = {"O": "O", "B-x": "X", "I-x": "x", "B-y": "Y", "I-y": "y"}
    checked = 0
    for tags in product(letters, repeat=5):
        text = "".join(letters[tag] for tag in tags)
        if re.fullmatch("(O|Xx*|Yy*)*", text):
            checked += 1
            found = [Span(one[0].lower()[0], *one.span()) for one in re.finditer("Xx*|Yy*", text)]
            assert spans(list(tags)) == found
    assert checked > 300


def test_labels_are_read_by_their_names() -> None:
    names = ["O", "B-x", "I-x"]
    wanted = [Span("x", 1, 3)]
    for tags in ([0, 1, 2, 0], np.array([0, 1, 2, 0]), np.array([0, 1, 2, 0], "uint8"), (0, 1, 2, 0)):
        assert spans(tags, names) == wanted
    assert spans(np.array(names)[[0, 1, 2, 0]]) == wanted
    assert spans(np.zeros(0, np.int64)) == []


@pytest.mark.parametrize("seed", range(5))
def test_transitions_make_viterbi_consistent(seed: int) -> None:
    names = ["I-x", "O", "B-y", "B-x", "I-y"]
    transitions, start = bio_transitions(names)
    scores = 3 * np.random.default_rng(seed).normal(size=(4, 9, 5))
    for one in viterbi(scores, transitions, start=start, names=names):
        letters = {"O": "O", "B-x": "X", "I-x": "x", "B-y": "Y", "I-y": "y"}
        assert re.fullmatch("(O|Xx*|Yy*)*", "".join(letters[name] for name in one.names or ()))


def test_transitions_forbid_what_is_inconsistent_and_nothing_else() -> None:
    names = ["O", "B-x", "I-x", "B-y", "I-y"]
    transitions, start = bio_transitions(names)
    assert set(np.unique(transitions)) == {-np.inf, 0.0}
    allowed = {(names[i], names[j]) for i, j in np.argwhere(transitions == 0).tolist()}
    outside = {"O", "B-x", "B-y"}
    wanted = {(one, other) for one in names for other in outside}
    wanted |= {("B-x", "I-x"), ("I-x", "I-x"), ("B-y", "I-y"), ("I-y", "I-y")}
    assert allowed == wanted
    assert {name for name, own in zip(names, start, strict=True) if own == 0} == outside


ERRORS: list[tuple[tuple[Any, ...], type[LaminaError], str]] = [
    ((["O", "X"],), DataError, "spans: expected tags 'O', 'B-...' or 'I-...', got 'X' at index 1"),
    ((["O-x"],), DataError, "spans: expected tags 'O', 'B-...' or 'I-...', got 'O-x' at index 0"),
    ((["O", None],), DataError, "spans: expected tags 'O', 'B-...' or 'I-...', got None at index 1"),
    (([0, 1],), ArgumentError, "spans: expected names for tags that are integers, got none"),
    (([0, 2], ["O", "B"]), DataError, "spans: expected labels from 0 to 1, got 2 at index 1"),
    (([0, -1], ["O", "B"]), DataError, "spans: expected labels from 0 to 1, got -1 at index 1"),
    (([[0, 1]], ["O", "B"]), ArgumentError, "spans: expected one sequence of tags, got an array of int64, (1, 2)"),
    (("B-x",), ArgumentError, "spans: expected tags to be a sequence of tags, got 'B-x'"),
    ((3,), ArgumentError, "spans: expected tags to be a sequence of tags, got 3"),
]


@pytest.mark.parametrize(("given", "error", "message"), ERRORS, ids=[message for *_, message in ERRORS])
def test_what_does_not_fit_is_named(given: tuple[Any, ...], error: type[LaminaError], message: str) -> None:
    with pytest.raises(error) as caught:
        spans(*given)
    assert str(caught.value) == message


def test_names_that_are_none_of_the_scheme_are_refused() -> None:
    with pytest.raises(DataError, match=r"^bio_transitions: expected tags .* got 'S-x' at index 1$"):
        bio_transitions(["O", "S-x"])
    with pytest.raises(ArgumentError, match=r"^bio_transitions: expected names to be a sequence of tags, got 'O'$"):
        bio_transitions("O")


def test_defaults_are_as_written_out(defaults: Any) -> None:
    assert defaults(spans) == {"names": None}
