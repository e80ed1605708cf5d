"""Streams by a plan: the same outputs and states as without, whatever is done in between."""

import copy
import pickle
from functools import partial

import numpy as np
import pytest

pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")

import lamina

FEATURES, UNITS = 3, 5
LAYERS = {
    "SimpleRNN": lamina.layers.SimpleRNN,
    "GRU": lamina.layers.GRU,
    "GRU, reset first": partial(lamina.layers.GRU, reset_after=False),
    "LSTM": lamina.layers.LSTM,
    "SLSTM": lamina.layers.SLSTM,
    **{name: getattr(lamina.layers, name) for name in ("MinGRU", "MinLSTM", "LRU", "IndRNN")},
    "IndRNN, tanh": partial(lamina.layers.IndRNN, activation="tanh"),
    "SLSTM, exponential forget gate": partial(lamina.layers.SLSTM, forget="exp"),
}


def models(name, sequences=True, dtype="float64"):
    found = []
    for backend in ("numba", "numpy"):
        layer = LAYERS[name]
        model = lamina.Sequential(
            layer(UNITS, return_sequences=True), layer(7, return_sequences=sequences), lamina.layers.Dense(2)
        )
        model.build((None, None, FEATURES), seed=1, backend=backend, dtype=dtype)
        found.append(model)
    return found


def flat(state):
    if isinstance(state, tuple):
        return [array for one in state for array in flat(one)]
    return [] if state is None else [state]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rows", [1, 2, 5])
@pytest.mark.parametrize("sequences", [True, False])
@pytest.mark.parametrize("name", LAYERS)
def test_outputs_and_states_are_those_without_a_plan(name, sequences, rows, dtype):
    # What an LRU's eigenvalue is off by counts at each of fifty steps.
    bound = 1e-12 if dtype == "float64" else 1e-5 if name == "LRU" else 2e-6
    rng, close = np.random.default_rng(0), dict.fromkeys(("atol", "rtol"), bound)
    planned, plain = map(lamina.Stream, models(name, sequences, dtype))
    for turn, steps in enumerate((0, 0, 4, 0, 9, 4, 0, 1, 30)):
        x = rng.normal(size=(rows, steps, FEATURES) if steps else (rows, FEATURES)).astype(dtype)
        if turn == 3:
            planned, plain = copy.deepcopy(planned), copy.deepcopy(plain)
        if turn == 4:
            planned.reset(0)
            plain.reset(0)
        if turn == 5:
            planned = pickle.loads(pickle.dumps(planned))
        if turn == 6:  # the state goes to the kernels, and back
            lengths, some = rng.integers(0, 3, rows), rng.normal(size=(rows, 2, FEATURES)).astype(dtype)
            np.testing.assert_allclose(planned(some, lengths=lengths), plain(some, lengths=lengths), **close)
        if turn == 7:
            planned.state = plain.state
        y = plain(x)
        found = planned(x)
        assert found.shape == y.shape and found.dtype == y.dtype
        np.testing.assert_allclose(found, y, **close)
        for mine, its in zip(flat(planned.state), flat(plain.state), strict=True):
            np.testing.assert_allclose(mine, its, **close)
    assert planned.plan is not None


def test_weights_that_change_are_seen_at_once():
    planned, plain = models("LSTM")
    streams = lamina.Stream(planned), lamina.Stream(plain)
    x = np.random.default_rng(0).normal(size=(1, FEATURES))
    for scale in (1.0, 1.0, 0.5, -1.0):
        for model in (planned, plain):
            model[0].w_h.data[...] *= scale
        mine, its = (stream(x) for stream in streams)
        np.testing.assert_allclose(mine, its, atol=1e-12)


def test_a_model_that_moves_is_followed():
    model, plain = models("GRU")
    stream, other = lamina.Stream(model), lamina.Stream(plain)
    x = np.random.default_rng(0).normal(size=(1, FEATURES))
    for turn in range(5):
        if turn == 3:
            model.to("numpy")
        np.testing.assert_allclose(stream(x), other(x), atol=1e-12)


def test_an_output_that_is_kept_never_changes():
    stream = lamina.Stream(models("GRU")[0])
    x = np.ones((1, FEATURES))
    kept = [stream(x) for _ in range(4)]
    copies = [y.copy() for y in kept]
    stream(-x)
    for y, before in zip(kept, copies, strict=True):
        np.testing.assert_array_equal(y, before)
    state = stream.state
    before = [array.copy() for array in flat(state)]
    stream(x)
    for array, values in zip(flat(state), before, strict=True):
        np.testing.assert_array_equal(array, values)


@pytest.mark.parametrize("x", [np.ones((2, FEATURES)), np.ones((1, FEATURES + 1)), np.ones((1, 0, FEATURES)), [[1.0]]])
def test_what_does_not_fit_is_refused_as_without_a_plan(x):
    planned, plain = map(lamina.Stream, models("GRU"))
    for stream in (planned, plain):
        for _ in range(3):
            stream(np.ones((1, FEATURES)))
    messages = []
    for stream in (planned, plain):
        with pytest.raises(lamina.errors.ShapeError) as raised:
            stream(x)
        messages.append(str(raised.value))
    assert messages[0] == messages[1]
    np.testing.assert_allclose(planned(np.ones((1, FEATURES))), plain(np.ones((1, FEATURES))), atol=1e-12)


def test_a_model_that_cannot_be_planned_streams_as_before():
    model = lamina.Sequential(lamina.layers.GRU(3, return_sequences=True), lamina.layers.LastStep())
    model.build((None, None, FEATURES), seed=0, backend="numba", dtype="float64")
    stream, x = lamina.Stream(model), np.random.default_rng(0).normal(size=(2, 6, FEATURES))
    for step in range(6):
        y = stream(x[:, step])
    np.testing.assert_allclose(y, model(x), atol=1e-12)
    assert stream.plan is None


@pytest.mark.parametrize("rows", [1, 3])
def test_a_stream_that_begins_again_keeps_its_plan_and_nothing_else(rows):
    planned, plain = map(lamina.Stream, models("LSTM"))
    rng = np.random.default_rng(0)
    plans = []
    for turn in range(4):
        if turn == 0:  # one call alone before it begins again
            x = rng.normal(size=(rows, 4, FEATURES))
            np.testing.assert_allclose(planned(x), plain(x), atol=1e-12)
            planned.reset()
            plain.reset()
            x = rng.normal(size=(rows, 4, FEATURES))
            np.testing.assert_allclose(planned(x), plain(x), atol=1e-12)
            assert planned.plan is not None
            planned.reset()
            plain.reset()
        for steps in (4, 4, 1):
            x = rng.normal(size=(rows, steps, FEATURES))
            np.testing.assert_allclose(planned(x), plain(x), atol=1e-12)
        plans.append(planned.plan)
        planned.reset()
        plain.reset()
        assert planned.batch is None and planned.state is None
    assert plans[0] is not None and plans[0] is plans[1] is plans[2] is plans[3]
    other = rng.normal(size=(rows + 1, 2, FEATURES))  # another number of rows
    np.testing.assert_allclose(planned(other), plain(other), atol=1e-12)
    np.testing.assert_allclose(planned(other), plain(other), atol=1e-12)
    assert planned.batch == rows + 1
