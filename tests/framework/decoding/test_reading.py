from typing import Any

import numpy as np
import pytest

from lamina.decoding.reading import Decoded, decoded, log_softmax, read_names, read_scores
from lamina.errors import ArgumentError, DataError


def test_scores_are_read_as_float64_and_zero_past_each_rows_end() -> None:
    given = np.array([[[1, 2], [3, 4]], [[5, 6], [7, 8]]], "float32")
    given[1, 1] = np.nan
    scores, lengths = read_scores("here", given, [2, 1])
    assert (scores.dtype, lengths.tolist()) == (np.float64, [2, 1])
    assert scores.tolist() == [[[1, 2], [3, 4]], [[5, 6], [0, 0]]]
    assert np.isnan(given[1, 1]).all()
    assert read_scores("here", np.ones((2, 3, 1), int), None)[1].tolist() == [3, 3]


def test_log_softmax_is_the_logarithm_of_the_softmax_however_large_the_scores() -> None:
    scores = np.random.default_rng(0).normal(size=(2, 3, 4))
    wanted = np.log(np.exp(scores) / np.exp(scores).sum(axis=-1, keepdims=True))
    np.testing.assert_allclose(log_softmax("here", scores), wanted, rtol=1e-13)
    np.testing.assert_allclose(log_softmax("here", scores + 1e4), wanted, rtol=1e-9)
    np.testing.assert_allclose(log_softmax("here", wanted), wanted, rtol=1e-12)
    assert log_softmax("here", np.array([[[0.0, -np.inf]]])).tolist() == [[[0.0, -np.inf]]]
    with pytest.raises(DataError, match=r"^here: expected a finite score at every step, got none at row 1, step 0$"):
        log_softmax("here", np.array([[[0.0, 0.0]], [[-np.inf, -np.inf]]]))


def test_a_decoded_sequence_has_integers_and_a_plain_number() -> None:
    found = decoded([2, 0], np.float32(-0.5), ("a", "b", "c"))
    assert (found.labels.dtype, found.labels.tolist(), type(found.score), found.names) == (
        np.int64,
        [2, 0],
        float,
        ["c", "a"],
    )
    assert decoded([], 0.0, None).labels.dtype == np.int64
    assert decoded([], 0.0, None).names is None


@pytest.mark.parametrize("names", [["a", "b"], ("a", "b"), np.array(["a", "b"]), {"a": 0, "b": 1}])
def test_any_names_in_an_order_are_taken(names: Any) -> None:
    assert read_names("here", names, 2) == ("a", "b")


def test_names_are_one_for_each_class() -> None:
    assert read_names("here", None, 2) is None
    with pytest.raises(ArgumentError, match=r"^here: expected 2 names, one for each class, got 3$"):
        read_names("here", ["a", "b", "c"], 2)
    with pytest.raises(ArgumentError, match=r"^here: expected names to be one for each class, got 5$"):
        read_names("here", 5, 2)


def test_defaults_are_as_written_out(defaults: Any) -> None:
    assert defaults(Decoded) == {"names": None}
