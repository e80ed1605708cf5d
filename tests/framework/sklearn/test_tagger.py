"""The tagger: a class for each step, for arrays and lists."""

from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="needs scikit-learn: pip install -e '.[sklearn]'")

from lamina.sklearn import SequenceTagger

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 6, 1))
Y = np.where(X[..., 0].cumsum(axis=1) > 0, "up", "down")
QUICK: dict[str, Any] = {"units": 4, "epochs": 2, "random_state": 0}


def test_it_learns_what_needs_the_steps_before() -> None:
    settings = {"units": 16, "optimizer": "adam", "learning_rate": 0.02, "epochs": 40, "random_state": 0}
    fitted = SequenceTagger(cell="gru", **settings).fit(X[:30], Y[:30])
    alone = np.mean(np.where(X[30:, :, 0] > 0, "up", "down") == Y[30:])
    assert fitted.score(X[30:], Y[30:]) > alone + 0.1


def test_what_it_gives_has_the_form_of_what_it_is_given() -> None:
    uneven = [row[: 1 + index % 6] for index, row in enumerate(X)]
    tags = [row[: 1 + index % 6] for index, row in enumerate(Y)]
    fitted = SequenceTagger(**QUICK).fit(uneven, tags)
    assert fitted.predict(X).shape == (40, 6) and fitted.predict_proba(X).shape == (40, 6, 2)
    assert [row.shape for row in fitted.predict(uneven)] == [row.shape for row in tags]
    assert [row.shape for row in fitted.predict_proba(uneven)] == [(len(row), 2) for row in tags]
    right = sum(int((told == own).sum()) for told, own in zip(fitted.predict(uneven), tags, strict=True))
    assert fitted.score(uneven, tags) == pytest.approx(right / sum(map(len, tags)), rel=1e-12)


def test_one_class_may_stand_for_all_steps() -> None:
    y = Y[:, -1]
    by_row = SequenceTagger(**QUICK).fit(X, y)
    for same in (y[:, None], np.repeat(y[:, None], 6, axis=1), [np.repeat(one, 6) for one in y]):
        np.testing.assert_array_equal(SequenceTagger(**QUICK).fit(X, same).predict_proba(X), by_row.predict_proba(X))
    assert by_row.score(X, y) == np.mean(by_row.predict(X) == y[:, None])


def test_weights_of_steps_count_in_training_and_scores() -> None:
    weights = np.ones((40, 6))
    weights[:, 3:] = 0
    wrong = Y.copy()
    wrong[:, 3:] = np.where(Y[:, 3:] == "up", "down", "up")
    settings = {**QUICK, "dtype": "float64"}
    one = SequenceTagger(**settings).fit(X, Y, sample_weight=weights)
    other = SequenceTagger(**settings).fit(X, wrong, sample_weight=weights)
    np.testing.assert_array_equal(one.predict_proba(X), other.predict_proba(X))
    assert one.score(X, Y, weights) == pytest.approx(np.mean(one.predict(X)[:, :3] == Y[:, :3]), rel=1e-12)
    uneven = [row[: 1 + index % 6] for index, row in enumerate(X)]
    of_rows = RNG.random(40)
    parts = [(np.mean(a == b[: len(a)]), len(a)) for a, b in zip(one.predict(uneven), Y, strict=True)]
    shares, lengths = np.array(parts).T
    found = one.score(uneven, [row[: len(x)] for row, x in zip(Y, uneven, strict=True)], of_rows)
    assert found == pytest.approx(np.average(shares, weights=lengths * of_rows), rel=1e-12)


def test_labels_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"expected y of 6 steps, as the sequence has, got \(5,\) at index 0"):
        SequenceTagger().fit(X, list(Y[:, :5]))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        SequenceTagger().fit(X, Y[:39])
    with pytest.raises(ValueError, match="got only one class"):
        SequenceTagger().fit(X, np.full((40, 6), "up"))
