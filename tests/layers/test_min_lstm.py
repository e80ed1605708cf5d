"""MinLSTM as a layer; its kernels are proven in backends/generic/test_min_rnn."""

import math
from typing import Any

import numpy as np
import pytest

from lamina import Sequential
from lamina.errors import ArgumentError, ShapeError
from lamina.layers import Dense, MinLSTM

X = np.random.default_rng(0).standard_normal((3, 4, 2))
X.flags.writeable = False
LENGTHS = [2, 0, 4]


def built(*arguments: Any, shapes: Any = ((None, None, 2),), **settings: Any) -> MinLSTM:
    layer = MinLSTM(*arguments, **settings)
    layer.build(*shapes, dtype="float64", seed=0)
    return layer


def test_two_steps_by_hand() -> None:
    layer = built(1, shapes=((None, None, 1),), return_state=True)
    layer.w_x.data, layer.b.data = [[1, 2, 3]], [0.1, 0.2, 0.3]  # i, f, candidate
    h = 0.0
    for x in (0.5, -0.25):
        i, f = 1 / (1 + math.exp(-(x + 0.1))), 1 / (1 + math.exp(-(2 * x + 0.2)))
        h = (f * h + i * (3 * x + 0.3)) / (f + i)
    y, last = layer([[[0.5], [-0.25]]])
    np.testing.assert_allclose([y, last], [[[h]], [[h]]], rtol=1e-14)


def test_parameters_and_their_first_values() -> None:
    layer = built(3)
    shapes = {name: parameter.shape for name, parameter in layer.named_parameters().items()}
    assert shapes == {"w_x": (2, 9), "b": (9,)}
    assert not layer.b.data.any()
    assert list(built(3, use_bias=False).named_parameters()) == ["w_x"]
    assert repr(layer) == "MinLSTM(3)"
    with pytest.raises(ArgumentError, match=r"^MinLSTM: expected units "):
        MinLSTM(0)


@pytest.mark.parametrize(
    ("settings", "output"),
    [
        ({}, (None, 3)),
        ({"return_sequences": True}, (None, None, 3)),
        ({"return_state": True}, ((None, 3), (None, 3))),
        ({"return_sequences": True, "return_state": True}, ((None, None, 3), (None, 3))),
    ],
)
def test_outputs(settings: Any, output: Any) -> None:
    layer = MinLSTM(3, **settings)
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
    assert Sequential(layer, MinLSTM(3)).build((None, None, 2), dtype="float64") == (None, 3)


def test_states_come_together_and_fit() -> None:
    with pytest.raises(ShapeError, match=r"^MinLSTM: expected an initial state \(3, 3\), got \(3, 9\)$"):
        built(3)(X, *[np.ones((3, size)) for size in ()], np.ones((3, 9)))
    with pytest.raises(ShapeError, match=r"^MinLSTM: expected initial states "):
        MinLSTM(3).build((None, None, 2), (None, 4))


def test_streaming_step_by_step_gives_what_the_whole_gives() -> None:
    layer = built(3, return_sequences=True)
    state, steps = None, []
    for t in range(4):
        y, state, _ = layer.stream(X[:, t : t + 1], state=state)
        steps.append(y)
    np.testing.assert_allclose(np.concatenate(steps, axis=1), layer(X), rtol=1e-12)


def test_a_model_with_it_is_saved_and_loaded(tmp_path: Any) -> None:
    import lamina

    model = Sequential(MinLSTM(3, go_backwards=True), Dense(1))
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
        {"return_sequences": True, "return_state": True, "go_backwards": True},
    ],
    ids=str,
)
def test_each_parameters_gradient_is_its_slope(
    prove_gradients: Any, settings: dict[str, Any], lengths: Any, name: str
) -> None:
    if name == "numba":
        pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")
    layer = MinLSTM(2, **settings)
    layer.build((None, None, 2), backend=name, dtype="float64", seed=0)
    prove_gradients(layer, X, lengths=lengths)
    prove_gradients(layer, X, *[np.full((3, size), 0.75) for size in layer.state_sizes], lengths=lengths)


@pytest.mark.parametrize("lengths", [None, [1, 0, 2]], ids=["full", "ragged"])
def test_each_parameters_gradient_is_its_slope_in_a_stream(prove_gradients: Any, lengths: Any) -> None:
    layer = built(2, return_sequences=True)
    state = layer.stream(X[:, :2])[1]
    prove_gradients(layer, X[:, 2:], state=state, stream=True, lengths=lengths)


def test_defaults_are_as_written_out(defaults: Any) -> None:
    assert defaults(MinLSTM) == {
        "return_sequences": False,
        "return_state": False,
        "go_backwards": False,
        "use_bias": True,
        "w_x_initializer": "glorot_uniform",
        "b_initializer": "zeros",
    }
