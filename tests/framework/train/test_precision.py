"""The precision of a trainer: where it is none, or a backend does not have it, nothing is trained."""

import numpy as np
import pytest

import lamina
from lamina import Sequential, Trainer
from lamina.errors import ArgumentError, BackendError, UnknownNameError
from lamina.layers import Dense, SimpleRNN

X, Y = np.random.default_rng(0).normal(size=(6, 4, 3)), np.array([0, 1, 0, 1, 1, 0])
HOSTS = ["numpy", "reference"]


def model(backend=None, dtype="float32"):
    made = Sequential(SimpleRNN(4), Dense(2))
    if backend is not None:
        made.build((None, None, 3), seed=0, backend=backend, dtype=dtype)
    return made


@pytest.mark.parametrize("precision", ["tf32", "bf16"])
@pytest.mark.parametrize("backend", HOSTS)
def test_a_backend_that_does_not_have_it_refuses_by_name(backend, precision):
    with pytest.raises(ArgumentError, match=f"backend '{backend}' has, 'fp32', got '{precision}'"):
        Trainer(model(backend), precision=precision)
    with pytest.raises(BackendError, match=f"'{backend}': it has no precision '{precision}', only 'fp32'"):
        lamina.get_backend(backend).in_precision(precision).__enter__()


def test_fit_refuses_it_before_anything_changes():
    fresh = model()
    trainer = Trainer(fresh, precision="bf16")
    with pytest.raises(ArgumentError, match="backend 'numpy' has, 'fp32', got 'bf16'"):
        trainer.fit(X, Y, epochs=1, verbose=False)
    assert not fresh.is_built
    assert fresh.facts == {}


def test_a_name_that_is_none():
    with pytest.raises(UnknownNameError, match=r"precision of Trainer.*'fp23'.*'fp32'"):
        Trainer(model(), precision="fp23")


def test_fp32_is_what_there_was():
    histories = []
    for options in ({}, {"precision": "fp32"}):
        trainer = Trainer(model("numpy"), **options)
        histories.append(trainer.fit(X, Y, epochs=2, verbose=False)["loss"])
        assert "precision" not in trainer.model.facts["training"]
    assert histories[0] == histories[1]
