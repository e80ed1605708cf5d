"""SLSTM as a layer; its kernels are proven in backends/generic/test_slstm."""

import math
from typing import Any

import numpy as np
import pytest

from lamina import Sequential
from lamina.errors import ArgumentError, ShapeError, UnknownNameError
from lamina.layers import SLSTM, Dense

X = np.random.default_rng(0).standard_normal((3, 4, 2))
X.flags.writeable = False
LENGTHS = [2, 0, 4]


def built(*arguments: Any, shapes: Any = ((None, None, 2),), **settings: Any) -> SLSTM:
    layer = SLSTM(*arguments, **settings)
    layer.build(*shapes, dtype="float64", seed=0)
    return layer


def test_two_steps_by_hand() -> None:
    layer = built(1, shapes=((None, None, 1),), return_state=True)
    # Gates side by side: i, f, z, o.
    layer.w_x.data, layer.w_h.data, layer.b.data = [[1, 2, 3, 4]], [[5, 6, 7, 8]], [0.1, 0.2, 0.3, 0.4]

    def sigmoid(a: float) -> float:
        return 1 / (1 + math.exp(-a))

    h, c, n = 0.0, 0.0, 0.0
    for x in (0.5, -0.25):
        i, f = math.exp(x + 5 * h + 0.1), sigmoid(2 * x + 6 * h + 0.2)
        z, o = math.tanh(3 * x + 7 * h + 0.3), sigmoid(4 * x + 8 * h + 0.4)
        c, n = f * c + i * z, f * n + i
        h = o * c / n
    y, h_last, c_last, n_last, m = layer([[[0.5], [-0.25]]])
    np.testing.assert_allclose([y, h_last], [[[h]], [[h]]], rtol=1e-14)
    np.testing.assert_allclose([c_last * np.exp(m), n_last * np.exp(m)], [[[c]], [[n]]], rtol=1e-13)


def test_parameters_and_their_first_values() -> None:
    layer = built(3)
    assert {name: parameter.shape for name, parameter in layer.named_parameters().items()} == {
        "w_x": (2, 12),
        "w_h": (3, 12),
        "b": (12,),
    }
    assert layer.b.data.tolist() == [0] * 3 + [1] * 3 + [0] * 6  # the forget gate is open
    np.testing.assert_allclose(layer.w_h.data @ layer.w_h.data.T, np.eye(3), atol=1e-12)
    assert list(built(3, use_bias=False).named_parameters()) == ["w_x", "w_h"]
    assert repr(layer) == "SLSTM(3)"
    with pytest.raises(ArgumentError, match=r"^SLSTM: expected units "):
        SLSTM(0)


@pytest.mark.parametrize(
    ("settings", "output"),
    [
        ({}, (None, 3)),
        ({"return_sequences": True}, (None, None, 3)),
        ({"return_state": True}, ((None, 3), (None, 3), (None, 3), (None, 3), (None, 3))),
        (
            {"return_sequences": True, "return_state": True},
            ((None, None, 3), (None, 3), (None, 3), (None, 3), (None, 3)),
        ),
    ],
)
def test_outputs(settings: Any, output: Any) -> None:
    layer = SLSTM(3, **settings)
    assert layer.build((None, None, 2), dtype="float64", seed=0) == output
    every, *last = built(3, return_sequences=True, return_state=True)(X, lengths=LENGTHS)
    got = layer(X, lengths=LENGTHS)
    expected = [every if settings.get("return_sequences") else last[0]] + last * bool(settings.get("return_state"))
    for part, wanted in zip(got if isinstance(got, tuple) else (got,), expected, strict=True):
        assert (part == wanted).all()
    assert not every[0, 2:].any()
    assert (last[0][0] == every[0, 1]).all()


@pytest.mark.parametrize("backwards", [False, True])
def test_a_row_cut_in_two_goes_on_from_its_states(backwards: bool) -> None:
    layer = built(3, return_sequences=True, return_state=True, go_backwards=backwards)
    y, *last = layer(X)
    pieces = [X[:, :3], X[:, 3:]][:: -1 if backwards else 1]
    first, *states = layer(pieces[0])
    second, *end = layer(pieces[1], *states)
    joined = np.concatenate([first, second][:: -1 if backwards else 1], axis=1)
    np.testing.assert_allclose(joined, y, rtol=1e-12)
    for state, expected in zip(end, last, strict=True):
        np.testing.assert_allclose(state, expected, rtol=1e-12)
    assert Sequential(layer, SLSTM(3)).build((None, None, 2), dtype="float64") == (None, 3)


def test_states_come_together_and_fit() -> None:
    with pytest.raises(ShapeError, match=r"^SLSTM: expected an initial state \(3, 3\), got \(3, 9\)$"):
        built(3)(X, *[np.ones((3, size)) for size in (3, 3, 3)], np.ones((3, 9)))
    with pytest.raises(ShapeError, match=r"^SLSTM: expected initial states "):
        SLSTM(3).build((None, None, 2), (None, 4))


def test_streaming_step_by_step_gives_what_the_whole_gives() -> None:
    layer = built(3, return_sequences=True)
    state, steps = None, []
    for t in range(4):
        y, state, _ = layer.stream(X[:, t : t + 1], state=state)
        steps.append(y)
    np.testing.assert_allclose(np.concatenate(steps, axis=1), layer(X), rtol=1e-12)


def test_a_model_with_it_is_saved_and_loaded(tmp_path: Any) -> None:
    import lamina

    model = Sequential(SLSTM(3, forget="exp", go_backwards=True), Dense(1))
    model.build((None, None, 2), dtype="float64", seed=0)
    model.save(tmp_path / "model.safetensors")
    assert (lamina.load(tmp_path / "model.safetensors")(X, lengths=LENGTHS) == model(X, lengths=LENGTHS)).all()


@pytest.mark.parametrize("name", ["numpy", "reference", "numba"])
@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "ragged"])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"use_bias": False},
        {"forget": "exp"},
        {"return_sequences": True, "return_state": True, "go_backwards": True},
    ],
    ids=str,
)
def test_each_parameters_gradient_is_its_slope(
    prove_gradients: Any, settings: dict[str, Any], lengths: Any, name: str
) -> None:
    if name == "numba":
        pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")
    layer = SLSTM(2, **settings)
    layer.build((None, None, 2), backend=name, dtype="float64", seed=0)
    prove_gradients(layer, X, lengths=lengths)
    prove_gradients(layer, X, *[np.full((3, size), 0.75) for size in layer.state_sizes], lengths=lengths)


@pytest.mark.parametrize("lengths", [None, [1, 0, 2]], ids=["full", "ragged"])
def test_each_parameters_gradient_is_its_slope_in_a_stream(prove_gradients: Any, lengths: Any) -> None:
    layer = built(2, return_sequences=True)
    state = layer.stream(X[:, :2])[1]
    prove_gradients(layer, X[:, 2:], state=state, stream=True, lengths=lengths)


def test_a_forget_gate_that_there_is_not() -> None:
    with pytest.raises(UnknownNameError, match="'tanh'"):
        SLSTM(3, forget="tanh")


def test_defaults_are_as_written_out(defaults: Any) -> None:
    assert defaults(SLSTM) == {
        "forget": "sigmoid",
        "return_sequences": False,
        "return_state": False,
        "go_backwards": False,
        "use_bias": True,
        "w_x_initializer": "glorot_uniform",
        "w_h_initializer": "orthogonal",
        "b_initializer": "Side([Zeros(), Ones(), Zeros(), Zeros()])",
    }
