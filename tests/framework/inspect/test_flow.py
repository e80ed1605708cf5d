"""Gradients over time, against differences and by hand."""

import doctest
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import Bidirectional, Recurrent, Residual, Sequential
from lamina.errors import ArgumentError, NotBuiltError, UnknownNameError
from lamina.inspect import flow, gradient_flow
from lamina.layers import GRU, LSTM, Dense, SimpleRNN, Tanh
from lamina.losses import SoftmaxCrossEntropy
from lamina.testing.cases.examples import LeakyPair

RNG = np.random.default_rng(0)
X = RNG.normal(size=(4, 6, 3))
Y = np.array([0, 2, 1, 1])
LENGTHS = np.array([6, 2, 0, 5])


def built(*layers: Any) -> Sequential:
    model = Sequential(*layers)
    model.build((None, None, 3), seed=0, dtype="float64")
    return model


@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "ragged"])
def test_a_simple_layer_by_hand(lengths: Any) -> None:
    """dL/dh_T comes from above; dL/dh_{t-1} = (dL/dh_t (1 - h_t^2)) w_h^T."""
    rnn, head = SimpleRNN(4, use_bias=False), Dense(3)
    model = built(rnn, head)
    found = gradient_flow(model, X, Y, lengths=lengths)
    ends = np.full(4, 6) if lengths is None else lengths
    h = np.zeros((7, 4, 4))
    for t in range(6):
        h[t + 1] = np.where((t < ends)[:, None], np.tanh(X[:, t] @ rnn.w_x.data + h[t] @ rnn.w_h.data), h[t])
    loss = SoftmaxCrossEntropy()
    _, saved = loss.forward(h[6] @ head.w.data + head.b.data, Y)  # type: ignore[union-attr]
    dh = loss.backward(saved) @ head.w.data.T
    expected = np.zeros((4, 6))
    for t in reversed(range(6)):
        inside = (t < ends)[:, None]
        expected[:, t] = np.linalg.norm(np.where(inside, dh, 0), axis=1)
        dh = np.where(inside, (dh * (1 - h[t + 1] ** 2)) @ rnn.w_h.data.T, dh)
    assert abs(found.rows["0"] - expected).max() < 1e-15
    assert abs(found["0"] - np.linalg.norm(expected, axis=0)).max() < 1e-15


def test_outputs_of_every_step_and_later_steps_add_up() -> None:
    """Each step's gradient against differences: a change of h_t goes on to its output and to the later steps."""
    layer = LSTM(3, return_sequences=True)
    model = built(layer)
    y = RNG.integers(0, 3, (4, 6))
    found = gradient_flow(model, X, y)
    loss, t, size = SoftmaxCrossEntropy(), 2, 1e-6
    start, states, _ = layer.stream(X[:, : t + 1])
    slope = np.zeros((4, 3))
    for row in range(4):
        for unit in range(3):
            values = []
            for sign in (1, -1):
                h = states[0].copy()
                h[row, unit] += sign * size
                rest = layer.stream(X[:, t + 1 :], state=(h, states[1]))[0]
                whole = np.concatenate([start[:, :t], h[:, None], rest], 1)
                values.append(loss(whole, y))
            slope[row, unit] = (values[0] - values[1]) / (2 * size)
    assert np.linalg.norm(slope, axis=1) == pytest.approx(found.rows["0"][:, t], abs=1e-9)


def test_every_recurrent_layer_is_found_wherever_it_is() -> None:
    shared = GRU(3, return_sequences=True)
    model = built(
        Residual(shared), shared, Bidirectional(LSTM(2, return_sequences=True)), Recurrent(LeakyPair(2)), Tanh()
    )
    before = {name: gradient.copy() for name, gradient in _gradients(model).items()}
    found = gradient_flow(model, X, Y * 0, lengths=LENGTHS)
    assert list(found) == ["0.inner", "0.inner (call 2)", "2.forward", "2.backward", "3"]
    assert len(found) == 5
    assert found.labels["2.backward"] == "LSTM"
    assert all((found[name] > 0).all() for name in list(found)[:2])
    assert found.rows["2.backward"][2].tolist() == [0] * 6
    assert all(np.array_equal(gradient, before[name]) for name, gradient in _gradients(model).items())


def _gradients(model: lamina.Layer) -> dict[str, Any]:
    return {name: parameter.grad for name, parameter in model.named_parameters().items()}


def test_the_watched_model_has_the_models_gradients() -> None:
    """One step at a time is the same backpropagation: the parameters' gradients on the copy are the model's."""
    from lamina.compose import watched as watching

    model = built(GRU(4, return_sequences=True), LSTM(3, go_backwards=True), Dense(3))
    twins = []
    real = watching.watched
    flow.watched = lambda *a, **o: twins.append(real(*a, **o)) or twins[-1]  # type: ignore[func-returns-value]
    try:
        gradient_flow(model, X, Y, lengths=LENGTHS)
    finally:
        flow.watched = real
    loss = SoftmaxCrossEntropy()
    y, saved = model.forward(X, lengths=LENGTHS)
    _, kept = loss.forward(y, Y)
    model.backward(loss.backward(kept), saved)
    twin = _gradients(twins[0])
    assert all(abs(gradient - twin[name]).max() < 1e-14 for name, gradient in _gradients(model).items())


class Forgetting(lamina.RecurrentLayer):
    """h_t = w x_t: no step hands anything on, and none is told of gradients by a state."""

    return_sequences, return_state, go_backwards = False, False, False

    @property
    def state_sizes(self) -> tuple[int, ...]:
        return (3,)

    def create(self, features: int, states: Any) -> None:
        self.w = lamina.Parameter((3,), "ones")

    def run(self, x: Any, states: Any, lengths: Any) -> Any:
        h = x * self.w.data
        return h, (h[:, -1],), x

    def run_backward(self, dh: Any, dstates: Any, saved: Any) -> Any:
        last = dstates[0]
        steps = np.zeros_like(saved) if dh is None else dh.copy()
        if last is not None:
            steps[:, -1] += last
        self.w.grad += (steps * saved).sum((0, 1))
        return steps * self.w.data, (None,)


def test_a_step_that_no_gradient_reaches_has_none() -> None:
    model = built(Forgetting())
    found = gradient_flow(model, X, Y)
    dy = SoftmaxCrossEntropy()
    _, saved = dy.forward(X[:, -1], Y)
    assert found.rows["0"][:, :-1].tolist() == [[0.0] * 5] * 4
    assert found.rows["0"][:, -1] == pytest.approx(np.linalg.norm(dy.backward(saved), axis=1))


def test_vanishing_and_exploding_are_told_apart() -> None:
    long = np.zeros((2, 30, 3))
    found = {}
    for factor in (0.1, 1.5):
        model = Sequential(SimpleRNN(3, use_bias=False), Dense(3))
        model.build((None, None, 3), seed=0, dtype="float64")
        model[0].w_h.data = factor * np.eye(3)  # type: ignore[attr-defined]
        found[factor] = gradient_flow(model, long, [0, 1]).ratio("0")
    assert found == {0.1: pytest.approx(0.1**29), 1.5: pytest.approx(1.5**29)}


@pytest.mark.parametrize("backwards", [False, True])
def test_the_ratio_of_ragged_rows_is_that_of_their_own_ends(backwards: bool) -> None:
    """With h = 0 a gradient shrinks by the same factor at every step; an empty row, and padding, have no part."""
    factor, lengths = 0.9, np.array([20, 5, 0, 11])
    model = Sequential(SimpleRNN(3, use_bias=False, go_backwards=backwards), Dense(3))
    model.build((None, None, 3), seed=0, dtype="float64")
    model[0].w_h.data = factor * np.eye(3)  # type: ignore[attr-defined]
    found = gradient_flow(model, np.zeros((4, 25, 3)), [1, 1, 1, 1], lengths=lengths)
    shrunk = np.sqrt(np.mean(factor ** (2 * (lengths[lengths > 0] - 1))))
    assert found.ratio("0") == pytest.approx(1 / shrunk if backwards else shrunk)
    assert found.lengths["0"].tolist() == lengths.tolist()
    assert found["0"][20:].tolist() == [0] * 5
    with pytest.raises(UnknownNameError):
        found.ratio("1")
    empty = gradient_flow(model, np.zeros((2, 3, 3)), [1, 1], lengths=[0, 0])
    assert np.isnan(empty.ratio("0"))


def test_what_cannot_be_looked_at_is_refused() -> None:
    with pytest.raises(ArgumentError, match=r"^gradient_flow: Sequential has no recurrent layer$"):
        gradient_flow(built(Dense(3)), X, np.zeros((4, 6), int))
    with pytest.raises(NotBuiltError):
        gradient_flow(Sequential(GRU(3)), X, Y)
    found = gradient_flow(built(GRU(3)), X, Y)
    with pytest.raises(UnknownNameError, match=r"^unknown layer '1': "):
        found["1"]
    assert repr(found).startswith("<GradientFlow, first step over last: 0: ")


def test_the_picture_has_a_line_for_each_layer(tmp_path: Path) -> None:
    found = gradient_flow(built(GRU(3, return_sequences=True), SimpleRNN(3)), X, Y)
    figure = found.plot(tmp_path / "flow.svg")
    (axes,) = figure.axes
    assert [line.get_label() for line in axes.get_lines()] == ["0 GRU", "1 SimpleRNN"]
    assert axes.get_yscale() == "log"
    assert axes.get_lines()[0].get_ydata() == pytest.approx(found["0"])
    assert (tmp_path / "flow.svg").stat().st_size > 1000
    with pytest.raises(
        ArgumentError, match=r"^plot: expected a path that ends in \.png, \.svg or \.pdf, got 'a\.gif'$"
    ):
        found.plot("a.gif")


def test_the_examples_run() -> None:
    assert doctest.testmod(flow).failed == 0
    assert doctest.testmod(lamina.inspect).failed == 0


def test_defaults_are_as_written_out(defaults: Any) -> None:
    assert defaults(gradient_flow) == {"loss": "softmax_cross_entropy", "lengths": None}


def test_a_notebook_shows_the_ratios_and_the_picture(read_page: Any) -> None:
    pytest.importorskip("matplotlib.figure", exc_type=ImportError)
    rows = {"a<b": np.array([[0.5, 0.25, 1.0], [0.0, 0.0, 0.0]])}
    found = flow.GradientFlow(rows, {"a<b": "LSTM"}, {"a<b": np.array([3, 3])})
    page = read_page(found._repr_html_())
    assert page.tables == [[["layer", "class", "steps", "first step over last"], ["a<b", "LSTM", "3", "5.0e-01"]]]
    assert (page.texts, len(page.images)) == (["gradient flow"], 1)
