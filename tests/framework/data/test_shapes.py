from typing import Any

import numpy as np
import pytest

import lamina
from lamina.data.shapes import Data, build_for, restored_on_error, shortened
from lamina.errors import ShapeError
from lamina.layers import Dense, Flatten, SimpleRNN

X = np.random.default_rng(0).normal(size=(6, 4, 3))
Y = np.arange(6) % 2


def shapes_after(model: lamina.Layer, x: Any, **options: Any) -> Any:
    lamina.Trainer(model, **options).fit(x, Y, epochs=1, verbose=False)
    return model.input_shapes


def test_batch_and_time_are_left_open() -> None:
    assert shapes_after(lamina.Sequential(SimpleRNN(4), Dense(2)), X) == ((None, None, 3),)
    assert shapes_after(Dense(2), X[:, 0]) == ((None, 3),)


def test_the_time_is_fixed_only_where_a_layer_needs_it() -> None:
    model = lamina.Sequential(Flatten(), Dense(2))
    assert shapes_after(model, X) == ((None, 4, 3),)
    assert model.output_shape == (None, 2)
    full = lamina.Sequential(Flatten(), Dense(2))
    lamina.Trainer(full).fit(X, Y, lengths=np.full(6, 4), epochs=1, verbose=False)
    assert full.input_shapes == ((None, 4, 3),)


def test_rows_of_unequal_length_fix_no_time() -> None:
    for x, lengths in ((X, [4, 4, 4, 4, 4, 3]), ([*X[:5], X[5, :3]], None)):
        model = lamina.Sequential(Flatten(), Dense(2))
        with pytest.raises(
            ShapeError,
            match=r"^Flatten '0': expected a fixed size of axis 1, got \(batch, time, 3\); rows differ in length",
        ):
            lamina.Trainer(model).fit(x, Y, lengths=lengths, verbose=False)
        assert not model.is_built


def test_a_model_is_built_from_the_seed_on_the_default_backend_in_float32() -> None:
    model, twin = (lamina.Sequential(SimpleRNN(4), Dense(2)) for _ in range(2))
    build_for(model, Data((X,)), seed=5)
    twin.build((None, None, 3), seed=5)
    assert (model.dtype, model.backend) == ("float32", lamina.get_backend())
    assert all(np.array_equal(array, twin.state_dict()[name]) for name, array in model.state_dict().items())
    build_for(model, Data((X[..., :1],)), seed=6)  # built already: nothing happens
    assert model.input_shapes == ((None, None, 3),)


@pytest.mark.parametrize("backend", ["reference"])
def test_the_default_backend_is_the_one_in_use(backend: str) -> None:
    pytest.importorskip("array_api_strict")
    model = lamina.Sequential(SimpleRNN(4), Dense(2))
    with lamina.use_backend(backend):
        trainer = lamina.Trainer(model, metrics=["accuracy"])
        history = trainer.fit(X, Y, lengths=[1, 2, 3, 4, 0, 2], epochs=2, validation_data=(X, Y), verbose=False)
    assert model.backend.name == backend
    twin = lamina.Sequential(SimpleRNN(4), Dense(2))
    wanted = lamina.Trainer(twin, metrics=["accuracy"]).fit(
        X, Y, lengths=[1, 2, 3, 4, 0, 2], epochs=2, validation_data=(X, Y), verbose=False
    )
    assert history["val_loss"] == pytest.approx(wanted["val_loss"], rel=1e-5)
    assert history["accuracy"] == wanted["accuracy"]
    assert isinstance(trainer.predict(X), np.ndarray)


def test_layers_that_do_not_fit_the_data_are_named() -> None:
    model = lamina.Sequential(Dense(2), SimpleRNN(2))
    with pytest.raises(ShapeError, match=r"^SimpleRNN '1': expected \(batch, time, features\), got \(batch, 2\)$"):
        lamina.Trainer(model).fit(X[:, 0], Y, verbose=False)
    assert not model.is_built
    with pytest.raises(ShapeError, match=r"^Dense: does not take 2 inputs: a tuple is several inputs, a list is rows$"):
        lamina.Trainer(Dense(2)).fit((X, X), Y, verbose=False)


def test_what_is_built_inside_the_block_is_undone_by_an_error() -> None:
    inner = Dense(3)
    inner.build((None, 3), seed=0)
    model = lamina.Sequential(inner, Dense(2))
    with pytest.raises(RuntimeError), restored_on_error(model):
        model.build((None, 3), seed=1)
        assert model.is_built
        raise RuntimeError
    assert not model.is_built
    assert not hasattr(model[1], "w")
    assert inner.is_built
    model.build((None, 3), seed=2)
    assert model(X[:, 0]).shape == (6, 2)


def test_what_was_built_before_stays() -> None:
    model = Dense(2)
    model.build((None, 3), seed=0)
    with pytest.raises(RuntimeError), restored_on_error(model):
        model.facts["mine"] = 1
        raise RuntimeError
    assert model.is_built
    assert model.facts == {"mine": 1}


def test_rows_lose_the_steps_that_none_of_them_has() -> None:
    x, other = np.arange(24.0).reshape(2, 6, 2), np.arange(2.0)
    data = Data((x, other), np.arange(12).reshape(2, 6), np.array([3, 1]), weights=np.ones((2, 6)))
    found = shortened(data, lambda given: (2, given.inputs[0].shape[1], 5), [True])
    assert [one.shape for one in found.inputs] == [(2, 3, 2), (2,)]
    np.testing.assert_array_equal(found.inputs[0], x[:, :3])
    np.testing.assert_array_equal(found.target, [[0, 1, 2], [6, 7, 8]])
    assert found.weights.shape == (2, 3)
    whole = shortened(data, lambda given: (2, 5), [False])
    assert whole.inputs[0].shape == (2, 3, 2) and whole.target.shape == (2, 6)
    assert shortened(Data((x,), lengths=np.array([6, 1])), lambda given: given, [True]).inputs[0] is x
