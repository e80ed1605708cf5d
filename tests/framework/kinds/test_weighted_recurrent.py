"""What SimpleRNN, LSTM and GRU share: weights, the choice of the kernel, and dropout of the state."""

from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest

import lamina
from lamina.backends import Backend
from lamina.errors import ArgumentError
from lamina.kinds.random import fixed_draws, rows_of_batch
from lamina.layers import GRU, LSTM, LayerNormGRU, LayerNormLSTM, SimpleRNN

KINDS = [SimpleRNN, LSTM, GRU, LayerNormLSTM, LayerNormGRU]
X = np.random.default_rng(0).standard_normal((4, 6, 3))
LENGTHS = np.array([3, 6, 0, 1])


def built(kind: Any, backend: str = "numpy", dtype: str = "float64", **settings: Any) -> Any:
    layer = kind(5, return_sequences=True, **settings)
    layer.build((None, None, 3), backend=backend, dtype=dtype, seed=0)
    return layer


@pytest.mark.parametrize("kind", KINDS)
def test_the_kernel_that_runs_is_known_beforehand(kind: Any) -> None:
    plain, dropped = built(kind), built(kind, recurrent_dropout=0.5)
    generic = "layer_norm" in kind.kernel_name
    assert plain.kernel[:2] == (kind.kernel_name, "generic" if generic else "numpy")
    assert dropped.kernel[:2] == (kind.kernel_name if generic else f"extended_{kind.kernel_name}", "generic")
    assert f"{dropped.kernel.name} (generic)" in dropped.summary()


@pytest.mark.parametrize("kind", [SimpleRNN, LSTM, GRU])
def test_inference_runs_the_fast_kernel_and_drops_nothing(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, dropped = built(kind), built(kind, recurrent_dropout=0.5)
    monkeypatch.setattr(Backend, f"extended_{kind.kernel_name}_forward", None)  # it is not called
    np.testing.assert_array_equal(dropped(X, lengths=LENGTHS), plain(X, lengths=LENGTHS))
    np.testing.assert_array_equal(lamina.Stream(dropped)(X), plain(X))
    assert dropped.state_dropout.draws == {"seed": 0, "calls": 0}


@pytest.mark.parametrize("kind", [SimpleRNN, LSTM, GRU])
def test_a_layer_without_dropout_has_no_trace_of_it(kind: Any) -> None:
    layer = built(kind)
    assert layer.state_dropout is None
    assert not layer.children()
    assert "recurrent_dropout" not in repr(layer)


@pytest.mark.parametrize("kind", KINDS)
def test_each_row_has_one_mask_for_all_steps_and_calls_have_their_own(kind: Any) -> None:
    layer = built(kind, recurrent_dropout=0.5)
    first, second = layer.forward(X)[0], layer.forward(X)[0]
    assert (first[:, 0] == second[:, 0]).all()  # there is nothing to drop yet
    assert not (first[:, 1] == second[:, 1]).all()
    # The mask of the row is what a step further on uses, too: a row's mask does not depend on how long it is.
    layer.state_dropout.reseed(0)
    np.testing.assert_allclose(layer.forward(X[:, :3])[0], first[:, :3], rtol=1e-13)
    with rows_of_batch(2):
        layer.state_dropout.reseed(0)
        np.testing.assert_allclose(layer.forward(X[2:])[0], first[2:], rtol=1e-13)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_masks_are_the_same_on_every_backend(kind: Any, dtype: str) -> None:
    found = []
    for name in ("numpy", "reference", *(["numba"] if find_spec("numba") else [])):
        layer = built(kind, name, dtype, recurrent_dropout=0.5)
        x = X.astype(dtype)
        y, saved = layer.forward(x, lengths=LENGTHS)
        found.append((y, layer.backward(np.ones(y.shape, dtype), saved)))
    for y, dx in found[1:]:
        np.testing.assert_allclose(y, found[0][0], atol=1e-12 if dtype == "float64" else 1e-5)
        np.testing.assert_allclose(dx, found[0][1], atol=1e-12 if dtype == "float64" else 1e-5)


def test_the_mask_multiplies_the_state_where_the_gates_see_it() -> None:
    layer = built(SimpleRNN, recurrent_dropout=0.5, activation="relu")
    with fixed_draws():
        y = layer.forward(X)[0]
        mask = layer.state_dropout.forward(np.ones((4, 5)))[0]
    assert set(mask.ravel().tolist()) == {0, 2}
    w_x, w_h, b = (one.numpy() for one in layer.parameters())
    h = np.zeros((4, 5))
    for t in range(6):
        h = np.maximum(X[:, t] @ w_x + (h * mask) @ w_h + b, 0)
        np.testing.assert_allclose(y[:, t], h, rtol=1e-12)


@pytest.mark.parametrize("kind", [GRU, LayerNormGRU])
def test_what_a_gate_carries_over_stays_whole(kind: Any) -> None:
    layer = kind(5, recurrent_dropout=0.5)
    layer.build((None, None, 3), (None, 5), dtype="float64", seed=0)
    layer.b.data = np.repeat([0.0, 50.0, 0.0], 5)  # z = 1: the state stays
    start = np.random.default_rng(1).standard_normal((4, 5))
    np.testing.assert_allclose(layer.forward(X, start)[0], start, rtol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rate", [1, -0.1, "half"])
def test_a_rate_that_is_none(kind: Any, rate: Any) -> None:
    with pytest.raises(ArgumentError) as caught:
        kind(2, recurrent_dropout=rate)
    name = kind.__name__
    assert str(caught.value) == (
        f"{name}: expected recurrent_dropout to be a number of at least 0 and below 1, got {rate!r}"
    )


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_trained_saved_and_found_again(kind: Any, tmp_path: Any) -> None:
    model = lamina.Sequential(kind(5, recurrent_dropout=0.25), lamina.layers.Dense(1))
    model.build((None, None, 3), seed=0)
    trainer = lamina.Trainer(model, loss="mse", optimizer=lamina.optimizers.Adam(model.parameters(), lr=0.02))
    x, target = X.astype("float32"), X.astype("float32")[:, 0, :1]
    before = trainer.evaluate(x, target)["loss"]
    trainer.fit(x, target, epochs=60, batch_size=4, verbose=False)
    assert trainer.evaluate(x, target)["loss"] < 0.9 * before
    model.save(tmp_path / "model.safetensors")
    again = lamina.load(tmp_path / "model.safetensors")
    assert again.layers[0].recurrent_dropout == 0.25
    np.testing.assert_array_equal(again(x), model(x))
