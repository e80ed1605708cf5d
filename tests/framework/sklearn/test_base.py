"""What all estimators promise scikit-learn: its own checks, and its tools over cells, units and optimizers."""

import os
import pickle
from typing import Any

import numpy as np
import pytest

import lamina

pytest.importorskip("sklearn", reason="needs scikit-learn: pip install -e '.[sklearn]'")

import joblib
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from lamina.sklearn import SequenceClassifier, SequenceRegressor, SequenceTagger

# float64, as the checks compare to 1e-7; and batches of all rows, as one counts weights for repeated rows.
EXACT: dict[str, Any] = {"units": 8, "optimizer": "adam", "learning_rate": 0.02, "batch_size": 64, "dtype": "float64"}
CHECKED = [
    SequenceClassifier(epochs=40, **EXACT),
    SequenceRegressor(epochs=120, **EXACT),
    SequenceTagger(epochs=3, **EXACT),
]
ESTIMATORS = [SequenceClassifier, SequenceRegressor, SequenceTagger]
QUICK: dict[str, Any] = {"units": 4, "epochs": 2, "random_state": 0}

RNG = np.random.default_rng(0)
X = RNG.normal(size=(24, 6, 2))
Y = {
    SequenceClassifier: np.where(X.mean(axis=(1, 2)) > 0, "up", "down"),
    SequenceRegressor: X[:, -1, 0],
    SequenceTagger: np.where(X[..., 0] > 0, "up", "down"),
}


def expected_failures(estimator: Any) -> dict[str, str]:
    if isinstance(estimator, SequenceTagger):
        return {"check_sample_weights_shape": "weights of steps, (batch, time), are taken too"}
    return {}


@parametrize_with_checks(CHECKED, expected_failed_checks=expected_failures)
def test_scikit_learns_checks(estimator: Any, check: Any) -> None:
    check(estimator)


def predicted(estimator: Any, x: Any) -> np.ndarray:
    found = getattr(estimator, "predict_proba", estimator.predict)(x)
    return np.concatenate(found) if isinstance(found, list) else found


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_the_same_seed_a_clone_and_a_pickle_give_the_same_bits(cls: Any) -> None:
    one = cls(**QUICK).fit(X, Y[cls])
    other = clone(one)
    assert other.get_params() == one.get_params() and not hasattr(other, "model_")
    with pytest.raises(NotFittedError):
        other.predict(X)
    back = pickle.loads(pickle.dumps(one))
    for same in (other.fit(X, Y[cls]), back):
        np.testing.assert_array_equal(predicted(same, X), predicted(one, X))
    # One that came out of a pickle goes on as the one that went in.
    np.testing.assert_array_equal(predicted(back.partial_fit(X, Y[cls]), X), predicted(one.partial_fit(X, Y[cls]), X))


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_three_times_partial_fit_is_a_fit_of_three_epochs(cls: Any) -> None:
    whole = cls(units=4, epochs=3, schedule="constant", random_state=0).fit(X, Y[cls])
    parts = cls(units=4, random_state=0)
    for _ in range(3):
        parts.partial_fit(X, Y[cls])
    np.testing.assert_array_equal(predicted(parts, X), predicted(whole, X))
    assert parts.n_iter_ == whole.n_iter_ == 3
    # After a schedule that ends at nothing it learns on, at the rate that it began with.
    decayed = cls(**QUICK).fit(X, Y[cls])
    before = predicted(decayed, X)
    decayed.partial_fit(X, Y[cls])
    assert decayed.history_["learning_rate"] == whole.history_["learning_rate"][:1]
    assert np.abs(predicted(decayed, X) - before).max() > 1e-4


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_arrays_tables_and_lists_are_the_same_sequences(cls: Any) -> None:
    x = X[..., :1]
    y = Y[cls] if cls is not SequenceTagger else np.where(x[..., 0] > 0, "up", "down")
    y_list = list(y) if cls is SequenceTagger else y
    whole = cls(**QUICK).fit(x, y)
    forms = [(x[..., 0], y), (list(x), y_list), (list(x[..., 0]), y_list)]
    for form, own in forms:
        other = cls(**QUICK).fit(form, own)
        for again in (x, *(one for one, _ in forms)):
            np.testing.assert_array_equal(predicted(other, again).reshape(-1), predicted(whole, x).reshape(-1))
    objects = np.empty(len(x), object)
    objects[:] = [row[: 2 + index % 5] for index, row in enumerate(x)]
    np.testing.assert_array_equal(predicted(whole, objects), predicted(whole, list(objects)))


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_a_sequence_is_told_the_same_whatever_lies_beside_it(cls: Any) -> None:
    """Unequal lengths: alone, a sequence is padded by nothing."""
    uneven = [row[: 1 + index % 6] for index, row in enumerate(X)]
    y = [Y[cls][i][: len(row)] for i, row in enumerate(uneven)] if cls is SequenceTagger else Y[cls]
    fitted = cls(bidirectional=True, dtype="float64", **QUICK).fit(uneven, y)
    alone = np.concatenate([predicted(fitted, row[None]).reshape(-1) for row in uneven])
    np.testing.assert_allclose(predicted(fitted, uneven).reshape(-1), alone, rtol=1e-9)


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_sequences_without_weight_do_not_count(cls: Any) -> None:
    exact = {**EXACT, "epochs": 5, "random_state": 0}
    weights = np.ones(len(X))
    weights[::3] = 0
    x = X.copy()
    x[::3] *= 50
    kept = weights > 0
    one = cls(**exact).fit(x, Y[cls], sample_weight=weights)
    other = cls(**exact).fit(x[kept], Y[cls][kept])
    np.testing.assert_allclose(predicted(one, X), predicted(other, X), rtol=1e-7)


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_training_ends_early_where_the_held_out_part_stops_improving(cls: Any) -> None:
    labels = np.resize(Y[cls][::-1], Y[cls].shape)  # nothing in X tells them
    settings = {"early_stopping": True, "n_iter_no_change": 2, "validation_fraction": 0.25, "schedule": "constant"}
    early = cls(**{**QUICK, "epochs": 40}, **settings).fit(X, labels)
    losses = early.history_["val_loss"]
    best = int(np.argmin(losses)) + 1
    assert early.n_iter_ == best + 2 < 40
    assert early.model_.facts["training"]["restored_epoch"] == best
    ran = cls(**{**QUICK, "epochs": best}, **{**settings, "n_iter_no_change": 40}).fit(X, labels)
    np.testing.assert_array_equal(predicted(early, X), predicted(ran, X))


def test_a_search_goes_over_cells_units_and_optimizers() -> None:
    grid = {
        "cell": ["simple_rnn", "lstm", "gru", lamina.layers.MinGRU],
        "units": [2, 3],
        "optimizer": ["sgd", "adam"],
    }
    search = GridSearchCV(SequenceClassifier(epochs=1, random_state=0), grid, cv=2)
    search.fit(X, Y[SequenceClassifier])
    assert len(search.cv_results_["params"]) == 16
    assert not np.isnan(search.cv_results_["mean_test_score"]).any()
    best = search.best_estimator_
    kinds = {"simple_rnn": lamina.layers.SimpleRNN, "lstm": lamina.layers.LSTM, "gru": lamina.layers.GRU}
    assert type(best.model_[1]) is kinds.get(search.best_params_["cell"], lamina.layers.MinGRU)
    assert best.model_[1].units == search.best_params_["units"]


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_pipelines_and_folds_of_unequal_sequences(cls: Any) -> None:
    uneven = [row[: 1 + index % 6] for index, row in enumerate(X)]
    y = [Y[cls][i][: len(row)] for i, row in enumerate(uneven)] if cls is SequenceTagger else Y[cls]
    scores = cross_val_score(cls(**QUICK), uneven, y, cv=3, error_score="raise")
    assert scores.shape == (3,) and np.isfinite(scores).all()
    tenfold = FunctionTransformer(lambda rows: [10 * row for row in rows])
    piped = make_pipeline(tenfold, cls(**QUICK)).fit(uneven, y)
    # Features are standardized, so that their unit does not matter.
    np.testing.assert_allclose(
        predicted(piped, uneven), predicted(cls(**QUICK).fit(uneven, y), uneven), rtol=1e-3, atol=1e-5
    )


def test_a_pipeline_of_tables() -> None:
    piped = make_pipeline(StandardScaler(), SequenceClassifier(**QUICK))
    piped.fit(X[..., 0], Y[SequenceClassifier])
    assert piped.predict(X[..., 0]).shape == (24,)
    with pytest.raises(ValueError, match="X has 5 features"):
        piped.predict(X[:, :5, 0])


def searched() -> tuple[dict[str, Any], set[int]]:
    """Return what a search comes to, and the processes that took part."""

    def scores_of(estimator: Any, x: Any, y: Any) -> dict[str, float]:
        return {"score": estimator.score(x, y), "process": os.getpid()}

    grid = {"cell": ["gru", "simple_rnn"], "optimizer": ["sgd", "adam"]}
    search = GridSearchCV(SequenceClassifier(**QUICK), grid, cv=2, scoring=scores_of, refit="score")
    search.fit(X, Y[SequenceClassifier])
    table, folds = search.cv_results_, (0, 1)
    scores = np.stack([table[f"split{fold}_test_score"] for fold in folds])
    processes = {int(one) for fold in folds for one in table[f"split{fold}_test_process"]}
    return {"scores": scores, "predicted": predicted(search.best_estimator_, X)}, processes


def test_two_workers_come_to_what_one_process_does() -> None:
    alone, own = searched()
    with joblib.parallel_config(backend="loky", n_jobs=2):
        together, others = searched()
    np.testing.assert_equal(together, alone)
    assert own == {os.getpid()} and own.isdisjoint(others)


@pytest.mark.filterwarnings("ignore")  # Dask's own
def test_a_local_dask_cluster_comes_to_what_one_process_does() -> None:
    distributed = pytest.importorskip("distributed", reason="needs Dask: pip install 'dask[distributed]'")
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
        joblib.parallel_config(backend="dask"),
    ):
        together, others = searched()
        workers = set(client.run(os.getpid).values())
    np.testing.assert_equal(together, searched()[0])
    assert others <= workers


@pytest.mark.parametrize("cls", ESTIMATORS)
@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"cell": "lstn"}, "lstm"),
        ({"cell": 3}, "expected cell to be a name or a class, got 3"),
        ({"optimizer": "adan"}, "did you mean 'Adam'"),
        ({"optimizer": lamina.optimizers.SGD, "learning_rate": 0.1}, "expected no learning_rate beside"),
        ({"units": 0}, "expected units to be a whole number of 1 or more, got 0"),
        ({"epochs": 0}, "expected epochs"),
        ({"schedule": "linear"}, "linear_decay"),
        ({"early_stopping": True, "validation_fraction": 1.0}, "expected validation_fraction"),
        ({"early_stopping": 2}, "expected early_stopping to be True or False"),
        ({"dropout": 1.5}, "Dropout"),
    ],
)
def test_settings_are_checked_when_it_is_fitted(cls: Any, settings: dict[str, Any], told: str) -> None:
    with pytest.raises(lamina.errors.ArgumentError, match=told):
        cls(**settings).fit(X, Y[cls])


def test_an_optimizer_may_be_a_function_and_the_backend_another() -> None:
    estimator = SequenceClassifier(**{**QUICK, "optimizer": lamina.optimizers.SGD})
    assert type(estimator.fit(X, Y[SequenceClassifier])._trainer.optimizer) is lamina.optimizers.SGD
    assert SequenceClassifier(backend="numpy", **QUICK).fit(X, Y[SequenceClassifier]).model_.backend.name == "numpy"
    assert estimator.fit(X, Y[SequenceClassifier]).model_.dtype == "float32"
    assert estimator.predict_proba(X).dtype == np.float32


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_defaults_are_those_of_the_command_line(cls: Any) -> None:
    from lamina.cli import _parser

    command = vars(_parser().parse_args(["train", "digits"]))
    found = cls().get_params()
    for name in (
        "layers",
        "bidirectional",
        "dropout",
        "optimizer",
        "learning_rate",
        "schedule",
        "epochs",
        "batch_size",
    ):
        assert found[name] == command[name], name
    assert (found["cell"], found["units"]) == (("gru", 32) if cls is SequenceRegressor else ("simple_rnn", 128))


def test_verbose_prints_a_line_for_each_epoch(capsys: pytest.CaptureFixture[str]) -> None:
    SequenceClassifier(verbose=True, **QUICK).fit(X, Y[SequenceClassifier])
    assert len(capsys.readouterr().out.splitlines()) == 2
