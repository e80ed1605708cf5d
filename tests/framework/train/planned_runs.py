"""What tests of planned training share: data, models, and runs with a plan and without."""

import numpy as np
import pytest

import lamina
from lamina.train import planned as planned_module

ROWS, STEPS, FEATURES, CLASSES = 41, 6, 3, 4


def plain_data(steps=False, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(ROWS, STEPS, FEATURES))
    return x, rng.integers(0, CLASSES, (ROWS, STEPS) if steps else ROWS), rng.integers(0, STEPS + 1, ROWS)


def model_of(backend, steps=False, layer="GRU"):
    kind, options = ("LSTM", {"projection": 3}) if layer == "projected" else (layer, {})
    cell = getattr(lamina.layers, kind)(5, return_sequences=steps, **options)
    model = lamina.Sequential(cell, lamina.layers.Dense(CLASSES))
    model.build((None, None, FEATURES), seed=0, backend=backend, dtype="float64")
    return model


class Taken:
    """Counts the steps that plans took."""

    def __init__(self, monkeypatch):
        self.count = 0
        taken = planned_module.PlannedFeed._taken

        def counted(feed, *arguments):
            self.count += 1
            return taken(feed, *arguments)

        monkeypatch.setattr(planned_module.PlannedFeed, "_taken", counted)


@pytest.fixture
def taken(monkeypatch):
    return Taken(monkeypatch)


def both(fit, taken=None, **options):
    """Return the histories and weights of two runs, with a plan and without."""
    found = []
    for compiled in (True, False):
        model = model_of("numba", **options)
        found.append((fit(model, compiled), [parameter.numpy() for parameter in model.parameters()]))
    return found


def require_alike(found):
    (history, weights), (other, others) = found
    assert history.keys() == other.keys()
    for key in list(history.keys()):
        if key != "seconds":
            np.testing.assert_allclose(history[key], other[key], rtol=1e-9, err_msg=key)
    for mine, its in zip(weights, others, strict=True):
        np.testing.assert_allclose(mine, its, rtol=1e-8, atol=1e-12)
