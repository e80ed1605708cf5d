"""The first fit adapts the layers that measure, wherever they stand; a later one does not."""

from typing import Any

import numpy as np
import pytest

import lamina
from lamina.data.checks import checked_for, read_data
from lamina.errors import DataError
from lamina.layers import GRU, Dense, Standardize
from lamina.train.adaptation import adapt_layers
from lamina.train.feeds import ArrayFeed

RNG = np.random.default_rng(0)
X = RNG.normal(size=(600, 5, 3)) * [1.0, 100.0, 0.01] + [0.0, 1000.0, -5.0]
LENGTHS = RNG.integers(0, 6, 600)
VALID = np.arange(5) < LENGTHS[:, None]
Y = RNG.integers(0, 2, 600)


def fit(model: Any, x: Any = X, y: Any = Y, lengths: Any = LENGTHS, **options: Any) -> None:
    lamina.Trainer(model, optimizer="sgd").fit(x, y, lengths=lengths, epochs=1, verbose=False, **options)


def test_the_first_fit_measures_its_training_rows() -> None:
    model = lamina.Sequential(Standardize(), GRU(4), Dense(2))
    fit(model, validation_data=(X[:50] + 1e4, Y[:50], LENGTHS[:50]))
    first = model[0]
    single = X.astype(np.float32).astype(np.float64)[VALID]
    np.testing.assert_allclose(
        first.mean.numpy().astype(float) + first.mean_rest.numpy(), single.mean(axis=0), rtol=1e-9
    )
    np.testing.assert_allclose(first.deviation.data, single.std(axis=0), rtol=1e-5)
    assert first.steps.data.item() == LENGTHS.sum()


def test_a_later_fit_and_one_of_an_adapted_layer_leave_it_as_it_is() -> None:
    model = lamina.Sequential(Standardize().adapt(X[:7]), GRU(4), Dense(2))
    model.build((None, None, 3), seed=0)
    before = model[0].state_dict()
    fit(model)
    fit(model, X + 3)
    assert before["steps"].item() == 35
    assert all(np.array_equal(model[0].state_dict()[name], array) for name, array in before.items())


def test_a_list_of_sequences_and_rows_without_time_will_do() -> None:
    model = lamina.Sequential(Standardize(), GRU(4), Dense(2))
    fit(model, [row[:length] for row, length in zip(X, np.maximum(LENGTHS, 1), strict=True)], lengths=None)
    assert model[0].steps.data.item() == np.maximum(LENGTHS, 1).sum()
    model = lamina.Sequential(Standardize(), Dense(2))
    fit(model, X[:, 0], lengths=None)
    np.testing.assert_allclose(model[0].deviation.data, X[:, 0].std(axis=0), rtol=1e-4)


class Wired(lamina.Composite):
    """Two inputs, each with its own; behind their sum another."""

    def __init__(self) -> None:
        self.left, self.right, self.behind = Standardize(), Standardize(), Standardize()
        self.inner, self.head = Dense(3), Dense(2)

    def compose(self, t: Any, a: Any, b: Any) -> Any:
        """Standardize, add, and standardize again."""
        both = t.add(t(self.left, a), t(self.right, b))
        return t(self.head, t(self.behind, t(self.inner, both)))


def test_wherever_they_stand_each_measures_what_it_is_given() -> None:
    a, b = X[:, 0], X[:, 1] * 3
    model = Wired()
    model.build((None, 3), (None, 3), seed=0, dtype="float64")
    data = checked_for(model, read_data(model, (a, b), has_target=False))
    adapt_layers(model, ArrayFeed(model, data, 32))
    standardized = [(x - x.mean(axis=0)) / x.std(axis=0) for x in (a, b)]
    for layer, x in ((model.left, a), (model.right, b), (model.behind, None)):
        x = model.inner(standardized[0] + standardized[1]) if x is None else x
        np.testing.assert_allclose(layer.mean.data + layer.mean_rest.data, x.mean(axis=0), rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(layer.deviation.data, x.std(axis=0), rtol=1e-9)


def test_a_shared_layer_measures_what_it_is_given_first() -> None:
    class Twice(lamina.Composite):
        def __init__(self) -> None:
            self.shared = Standardize()

        def compose(self, t: Any, a: Any, b: Any) -> Any:
            return t.add(t(self.shared, a), t(self.shared, b))

    model = Twice()
    model.build((None, 3), (None, 3), dtype="float64")
    adapt_layers(
        model, ArrayFeed(model, checked_for(model, read_data(model, (X[:, 0], X[:, 1] + 50), has_target=False)), 32)
    )
    np.testing.assert_allclose(model.shared.mean.data + model.shared.mean_rest.data, X[:, 0].mean(axis=0), atol=1e-9)


def test_what_is_refused_is_refused_before_anything_is_measured() -> None:
    model = lamina.Sequential(Standardize(), GRU(4), Dense(2))
    model.build((None, None, 3), seed=0)
    with pytest.raises(DataError):
        fit(model, np.where(np.arange(5)[:, None] == 1, np.nan, X), lengths=None)
    assert not model[0].is_adapted


def test_rows_that_are_all_empty_adapt_nothing() -> None:
    model = lamina.Sequential(Standardize(), GRU(4), Dense(2))
    model.build((None, None, 3), seed=0)
    data = checked_for(model, read_data(model, X, lengths=np.zeros(600, int), has_target=False))
    adapt_layers(model, ArrayFeed(model, data, 32))
    assert not model[0].is_adapted


def test_nothing_runs_where_there_is_nothing_to_adapt(monkeypatch: pytest.MonkeyPatch) -> None:
    model = lamina.Sequential(Standardize().adapt(X), Dense(2))
    model.build((None, None, 3), seed=0)
    monkeypatch.setattr(type(model), "infer", None)
    adapt_layers(model, ArrayFeed(model, checked_for(model, read_data(model, X, has_target=False)), 32))


def test_standardized_features_make_the_difference() -> None:
    """Classes told apart by a feature of deviation 0.01, beside one of deviation 100."""
    x, y = X[:, 0], (X[:, 0, 2] > -5).astype(int)
    found = {}
    for name, layers in (("raw", [Dense(2)]), ("standardized", [Standardize(), Dense(2)])):
        model = lamina.Sequential(*layers)
        model.build((None, 3), seed=0)
        trainer = lamina.Trainer(model, optimizer=lamina.optimizers.SGD(model.parameters(), lr=0.1), metrics="accuracy")
        with np.errstate(all="ignore"):
            trainer.fit(x, y, epochs=10, verbose=False)
        found[name] = trainer.evaluate(x, y)["accuracy"]
    assert found["standardized"] > 0.95
    assert found["raw"] < 0.7
