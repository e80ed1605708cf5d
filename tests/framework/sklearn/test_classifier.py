"""The classifier: its classes, probabilities, weights of classes and file."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamina

pytest.importorskip("sklearn", reason="needs scikit-learn: pip install -e '.[sklearn]'")

from sklearn.metrics import roc_auc_score

from lamina.sklearn import SequenceClassifier

RNG = np.random.default_rng(0)
X = RNG.normal(size=(30, 5, 2))
QUICK: dict[str, Any] = {"units": 4, "epochs": 2, "random_state": 0}


@pytest.mark.parametrize(
    "names", [["c", "a", "b"], [7, -2, 5], [0, 1, 2], [0.5, 2.5, 1.0], ["long name", "x", "é"], [True, False]]
)
def test_classes_are_sorted_and_given_back_in_their_dtype(names: list[Any]) -> None:
    y = np.array(names)[np.arange(30) % len(names)]
    if y.dtype.kind == "f":
        y = y * 2  # whole, as scikit-learn asks of classes
    fitted = SequenceClassifier(**QUICK).fit(X, y)
    assert fitted.classes_.tolist() == sorted(set(y.tolist()))
    found = fitted.predict(X)
    assert found.dtype == y.dtype
    assert set(found.tolist()) <= set(y.tolist())
    assert fitted.score(X, y) == np.mean(found == y)


def test_probabilities_are_the_softmax_of_what_the_model_gives() -> None:
    y = np.arange(30) % 3
    fitted = SequenceClassifier(dtype="float64", **QUICK).fit(X, y)
    powers = np.exp(np.asarray(fitted.model_(X)))
    found = fitted.predict_proba(X)
    np.testing.assert_allclose(found, powers / powers.sum(axis=1, keepdims=True), rtol=1e-12)
    np.testing.assert_array_equal(fitted.predict(X), found.argmax(axis=1))
    assert roc_auc_score(y, found, multi_class="ovr") > 0


def test_speakers_are_told_apart_from_lists() -> None:
    data = lamina.datasets.japanese_vowels()
    rows = {part: getattr(data, f"x_{part}") for part in ("train", "test")}
    x = {part: [row[:n] for row, n in zip(rows[part], getattr(data, f"lengths_{part}"), strict=True)] for part in rows}
    fitted = SequenceClassifier(cell="gru", units=32, epochs=15, random_state=0).fit(x["train"], data.y_train)
    assert fitted.score(x["test"], data.y_test) > 0.93


def test_the_model_is_saved_with_the_classes_names(tmp_path: Path) -> None:
    y = np.where(np.arange(30) % 2, "up", "down")
    fitted = SequenceClassifier(**QUICK).fit(X, y)
    fitted.model_.save(tmp_path / "model.safetensors")
    found = lamina.Trainer(lamina.load(tmp_path / "model.safetensors")).classify(X)
    np.testing.assert_array_equal(found.names, fitted.predict(X))
    np.testing.assert_array_equal(found.probabilities, fitted.predict_proba(X))


def test_weights_of_classes_are_those_of_their_sequences() -> None:
    """But for the divisor, the sum of the sequences' weights, or their number: the rate makes up for it."""
    x, y = np.concatenate([X, X, X]), np.repeat(["few", "many", "many"], 30)  # alike, so weights measure the same
    rates = {"of classes": 0.1, "of rows": 0.1 * (3 * 30 + 60) / 90}

    def fitted(rate: str, sample_weight: Any = None, class_weight: Any = None) -> np.ndarray:
        settings = {**QUICK, "batch_size": 90, "dtype": "float64", "schedule": "constant", "class_weight": class_weight}
        settings["optimizer"] = lambda own: lamina.optimizers.SGD(own, lr=rates[rate])
        return SequenceClassifier(**settings).fit(x, y, sample_weight).predict_proba(x)

    weighted = fitted("of classes", class_weight={"few": 3.0})
    np.testing.assert_allclose(weighted, fitted("of rows", np.where(y == "few", 3.0, 1.0)), rtol=1e-10)
    assert np.abs(weighted - fitted("of classes")).max() > 1e-3
    by_hand = fitted("of classes", class_weight={"few": 90 / (2 * 30), "many": 90 / (2 * 60)})
    np.testing.assert_allclose(fitted("of classes", class_weight="balanced"), by_hand, rtol=1e-12)
    with pytest.raises(ValueError, match="class_weight is for 'none', which is no class of y"):
        fitted("of classes", class_weight={"none": 1.0})


def test_smoothed_labels_make_it_less_sure() -> None:
    y = (X[:, :, 0].mean(axis=1) > 0).astype(int)
    sure = {
        share: SequenceClassifier(units=8, epochs=60, label_smoothing=share, random_state=0).fit(X, y).predict_proba(X)
        for share in (0.0, 0.2)
    }
    assert sure[0.2].max() < 0.95 < sure[0.0].max()


def test_partial_fit_may_be_given_classes_that_do_not_occur_yet() -> None:
    fitted = SequenceClassifier(**QUICK).partial_fit(X, np.arange(30) % 2, classes=[0, 1, 2])
    assert fitted.predict_proba(X).shape == (30, 3)
    fitted.partial_fit(X, np.full(30, 2))
    fitted.partial_fit(X, np.full(30, 2), classes=[2, 1, 0])
    for _ in range(30):
        fitted.partial_fit(X, np.full(30, 2))
    assert set(fitted.predict(X).tolist()) == {2}
    with pytest.raises(ValueError, match=r"expected classes to be \[0 1 2\], as before, got \[0 1\]"):
        fitted.partial_fit(X, np.arange(30) % 2, classes=[0, 1])
    with pytest.raises(ValueError, match=r"y has 5, which is none of the classes \[0 1 2\]"):
        fitted.partial_fit(X, np.full(30, 5))
    # What was refused is not remembered.
    assert fitted.fit(X, np.arange(30) % 2).classes_.tolist() == [0, 1]
    with pytest.raises(ValueError, match="every weight is zero"):
        SequenceClassifier(**QUICK).partial_fit(X, np.arange(30) % 2, [0, 1, 2], sample_weight=np.zeros(30))


def test_one_class_and_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="expected two classes at least in y, got only one class"):
        SequenceClassifier().fit(X, np.zeros(30))
    with pytest.raises(ValueError, match="Unknown label type"):
        SequenceClassifier().fit(X, np.linspace(0, 1, 30))
