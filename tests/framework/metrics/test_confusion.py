"""The confusion matrix with weights, against scikit-learn, and in a trainer; tests/framework/metrics/test_counts.py."""

from typing import Any

import numpy as np
import pytest

import lamina
from lamina.callbacks import CSVLog, EarlyStopping
from lamina.errors import ArgumentError, UnknownNameError
from lamina.metrics import F1, ConfusionMatrix
from lamina.testing import register_strict_backend

RNG = np.random.default_rng(0)
X, LABELS = RNG.standard_normal((20, 4)), RNG.integers(0, 3, 20)


@pytest.fixture(params=["numpy", "reference", "array-api-strict"])
def backend(request: pytest.FixtureRequest) -> lamina.Backend:
    return register_strict_backend() if "strict" in request.param else lamina.get_backend(request.param)


def test_weights_are_summed(backend: lamina.Backend) -> None:
    sklearn = pytest.importorskip("sklearn.metrics")
    logits, weight = RNG.standard_normal((20, 3)), RNG.random(20) * (RNG.random(20) > 0.3)
    logits[weight == 0] = np.nan
    metric = ConfusionMatrix()
    for part in (slice(0, 7), slice(7, 20)):
        arrays = (backend.asarray(one[part]) for one in (logits, LABELS))
        metric.update(*arrays, None, backend, backend.asarray(weight[part]))
    expected = sklearn.confusion_matrix(LABELS, logits.argmax(1), sample_weight=weight)
    np.testing.assert_allclose(metric.result(), expected, rtol=1e-12)
    assert metric.result().dtype == np.float64
    # One batch without weights after batches with them.
    metric.update(*(backend.asarray(one[:4]) for one in (np.eye(3)[[0, 1, 2, 0]], LABELS)), None, backend)
    np.testing.assert_allclose(
        metric.result() - expected, sklearn.confusion_matrix(LABELS[:4], [0, 1, 2, 0], labels=range(3)), atol=1e-12
    )


def trainer(**options: Any) -> lamina.Trainer:
    return lamina.Trainer(lamina.Sequential(lamina.layers.Dense(3)), **options)


def test_a_trainer_keeps_one_of_each_epoch_beside_the_figures(tmp_path: Any, capsys: Any) -> None:
    per_class = F1(None)
    per_class.name = "f1_of_each"
    mine = trainer(metrics=["confusion_matrix", "accuracy", per_class], callbacks=CSVLog(tmp_path / "log.csv"))
    history = mine.fit(X, LABELS, epochs=3, validation_data=(X, LABELS))
    assert set(history.arrays) == {"confusion_matrix", "f1_of_each", "val_confusion_matrix", "val_f1_of_each"}
    matrices = history.arrays["val_confusion_matrix"]
    assert [matrix.sum() for matrix in matrices] == [20, 20, 20]
    shares = [np.trace(matrix) / 20 for matrix in matrices]
    assert history["val_accuracy"] == pytest.approx(shares)
    np.testing.assert_array_equal(history.arrays["val_f1_of_each"][-1], F1(None)(mine.predict(X), LABELS))
    found = mine.evaluate(X, LABELS)
    np.testing.assert_array_equal(found["confusion_matrix"], matrices[-1])
    # Numbers alone are shown, written, compared and kept in the model's facts.
    names = ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds")
    assert history.keys() == names
    assert "f1_of_each" not in capsys.readouterr().out
    assert (tmp_path / "log.csv").read_text().splitlines()[0] == "epoch," + ",".join(names)
    assert set(mine.model.facts["training"]["history"]) == {*names} - {"seconds"}
    mine.model.save(tmp_path / "model.safetensors")
    with pytest.raises(ArgumentError, match=r"^history: confusion_matrix is an array in each epoch: see history\.arr"):
        history["confusion_matrix"]
    with pytest.raises(UnknownNameError, match="val_confusion_matrix"):
        trainer(metrics="confusion_matrix", callbacks=EarlyStopping("val_confusion_matrix")).fit(
            X, LABELS, validation_data=(X, LABELS), verbose=False
        )


def test_the_bar_does_not_compute_one_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    from lamina.data.goals import read_goals
    from lamina.train.meter import Meter

    def refuse(self: Any) -> Any:
        raise AssertionError

    monkeypatch.setattr(ConfusionMatrix, "result", refuse)
    meter = Meter(lamina.get_backend("numpy"), read_goals("softmax_cross_entropy", None, "confusion_matrix"))
    assert list(meter.results(ended=False)) == ["loss"]
    with pytest.raises(AssertionError):
        meter.results()


def test_defaults_are_as_written_out(defaults: Any) -> None:
    assert defaults(ConfusionMatrix) == {"ignore_index": None}
