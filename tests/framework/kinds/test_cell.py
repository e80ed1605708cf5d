"""Cells of one's own, and what makes sequence layers of them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import Cell, Parameter, Recurrent
from lamina.errors import ArgumentError, ShapeError


class Fade(Cell):
    """h' = w h + x."""

    def __init__(self, units: int) -> None:
        self.units = units

    def build(self, x: Any, h: Any) -> Any:
        self.w = Parameter((), 2.0)
        return h

    def forward(self, x: Any, h: Any) -> Any:
        return h * self.w.data + x, h

    def backward(self, dh: Any, saved: Any) -> Any:
        self.w.grad += (dh * saved).sum()
        return dh, dh * self.w.data


class Two(Fade):
    """A second state counts the steps."""

    @property
    def state_sizes(self) -> tuple[int, ...]:
        return (self.units, 1)

    def build(self, x: Any, h: Any, count: Any) -> Any:
        self.w = Parameter((), 2.0)
        return h, count

    def forward(self, x: Any, h: Any, count: Any) -> Any:
        return (h * self.w.data + x, count + 1), h

    def backward(self, gradients: Any, saved: Any) -> Any:
        dh, dcount = gradients
        self.w.grad += (dh * saved).sum()
        return dh, dh * self.w.data, dcount


X = np.array([[[1.0], [2.0], [3.0]], [[4.0], [5.0], [np.nan]]])
X.flags.writeable = False


def built(cell: Cell, *states: Any, **settings: Any) -> Recurrent:
    layer = Recurrent(cell, **settings)
    layer.build((None, None, 1), *states, dtype="float64")
    return layer


@pytest.mark.parametrize("backend", ["numpy", "reference"])
@pytest.mark.parametrize(("backwards", "y"), [(False, [[1, 4, 11], [4, 13, 0]]), (True, [[17, 8, 3], [14, 5, 0]])])
def test_a_cell_of_ones_own_by_hand(backend: str, backwards: bool, y: Any) -> None:
    layer = Recurrent(Fade(1), return_sequences=True, return_state=True, go_backwards=backwards)
    assert layer.build((None, None, 1), backend=backend, dtype="float64") == ((None, None, 1), (None, 1))
    assert list(layer.named_parameters()) == ["cell.w"]
    (every, last), saved = layer.forward(X, lengths=np.array([3, 2]))
    assert every[:, :, 0].tolist() == y
    assert last[:, 0].tolist() == ([17, 14] if backwards else [11, 13])
    # Only the last states count: 4, 2, 1 from the first step read to the last.
    dx = layer.backward((np.zeros((2, 3, 1)), np.ones((2, 1))), saved)
    assert dx[:, :, 0].tolist() == ([[1, 2, 4], [1, 2, 0]] if backwards else [[4, 2, 1], [2, 1, 0]])
    # d h_3 / d w = h_2 + w h_1 and d h_2 / d w = h_1
    assert float(layer.cell.w.grad) == (8 + 2 * 3 + 5 if backwards else 4 + 2 * 1 + 4)  # type: ignore[attr-defined]


def test_several_states_go_in_and_come_out() -> None:
    layer = built(Two(1), return_state=True)
    start = np.array([[10.0], [0.0]]), np.array([[5.0], [5.0]])
    (y, h, count), saved = layer.forward(X, *start, lengths=np.array([3, 1]))
    assert (y.tolist(), h.tolist(), count.tolist()) == ([[91], [4]], [[91], [4]], [[8], [6]])
    dx, dh, dcount = layer.backward((np.ones((2, 1)), np.ones((2, 1)), np.full((2, 1), 7.0)), saved)
    assert dx[:, :, 0].tolist() == [[8, 4, 2], [2, 0, 0]]
    assert (dh.tolist(), dcount.tolist()) == ([[16], [4]], [[7], [7]])
    y, h, count = layer(X[:1])
    assert count.tolist() == [[3]]


def test_states_must_be_the_cells() -> None:
    with pytest.raises(ShapeError) as caught:
        built(Two(1), (None, 1))
    assert str(caught.value) == "Recurrent: expected initial states (batch, 1), (batch, 1), got (batch, 1)"
    with pytest.raises(ShapeError) as given:
        built(Fade(2))(np.ones((1, 3, 1)), np.ones((1, 1)))
    assert str(given.value) == "Recurrent: expected an initial state (1, 2), got (1, 1)"

    class Wider(Fade):
        def build(self, x: Any, h: Any) -> Any:
            return (None, self.units + 1)

    with pytest.raises(ShapeError) as wrong:
        built(Wider(2))
    assert str(wrong.value) == "Wider 'cell': expected to give states (batch, 2), got (batch, 3)"


def test_a_cell_must_be_a_layer() -> None:
    with pytest.raises(
        ArgumentError, match=r"^Recurrent: expected a layer at position 0, got .*: write Fade\(\.\.\.\)$"
    ):
        Recurrent(Fade)  # type: ignore[arg-type]


def test_defaults_are_as_written_out(defaults: Any) -> None:
    # Keras's, of its RNN.
    assert defaults(Recurrent) == {"return_sequences": False, "return_state": False, "go_backwards": False}


def test_it_is_saved_and_found_again_with_a_registered_cell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("_classes", "_names"):
        monkeypatch.setattr(lamina.Layer.registry, name, dict(getattr(lamina.Layer.registry, name)))
    lamina.register(Fade)
    layer = built(Fade(1), return_sequences=True)
    layer.save(tmp_path / "fade.safetensors")
    again = lamina.load(tmp_path / "fade.safetensors")
    assert type(again) is Recurrent
    np.testing.assert_array_equal(again(X, lengths=[3, 2]), layer(X, lengths=[3, 2]))


# A cell whose output is none of its states.


class Slope(Cell):
    """Puts out 2 x - h, of another size than the state, x, which it keeps: the output stands twice beside itself."""

    def __init__(self, units: int) -> None:
        self.units = units

    def build(self, x: Any, h: Any) -> Any:
        return (None, 2 * self.units), h

    def forward(self, x: Any, h: Any) -> Any:
        xp = self.backend.xp
        return (xp.concat([2 * x - h, 2 * x - h], axis=-1), x + 0), None

    def backward(self, gradients: Any, saved: Any) -> Any:
        dy, dh = gradients
        both = dy[:, : self.units] + dy[:, self.units :]
        return 2 * both + dh, -both


BACKENDS = ["numpy", "reference"]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("backwards", "y"), [(False, [[2, 3, 4], [8, 6, 0]]), (True, [[0, 1, 6], [3, 10, 0]])])
def test_an_output_that_is_no_state_by_hand(backend: str, backwards: bool, y: Any) -> None:
    layer = Recurrent(Slope(1), return_sequences=True, return_state=True, go_backwards=backwards)
    assert layer.build((None, None, 1), backend=backend, dtype="float64") == ((None, None, 2), (None, 1))
    lengths = np.array([3, 2])
    (every, last), saved = layer.forward(X, lengths=lengths)
    assert every.tolist() == [[[one, one] for one in row] for row in y]
    assert last.tolist() == ([[1], [4]] if backwards else [[3], [5]])
    # y_t = 2 x_t - x_before: each x counts 2 in its own output, -1 in the next, and 10 where it is the last state.
    dx = layer.backward((np.ones((2, 3, 2)), np.full((2, 1), 10.0)), saved)
    assert dx[:, :, 0].tolist() == ([[14, 2, 2], [14, 2, 0]] if backwards else [[2, 2, 14], [2, 14, 0]])


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_last_output_is_that_of_the_last_valid_step_and_0_of_a_row_without_any(backend: str) -> None:
    layer = Recurrent(Slope(1), return_state=True)
    assert layer.build((None, None, 1), (None, 1), backend=backend, dtype="float64") == ((None, 2), (None, 1))
    start = np.array([[7.0], [7.0]])
    (y, h), saved = layer.forward(X, start, lengths=np.array([1, 0]))
    assert (y.tolist(), h.tolist()) == ([[-5, -5], [0, 0]], [[1], [7]])
    dx, dh = layer.backward((np.ones((2, 2)), np.full((2, 1), 10.0)), saved)
    assert (dx[:, :, 0].tolist(), dh.tolist()) == ([[14, 0, 0], [0, 0, 0]], [[-2], [10]])


@pytest.mark.parametrize("sequences", [True, False])
def test_such_a_cell_streams_as_it_reads_whole_rows(sequences: bool) -> None:
    layer = Recurrent(Slope(1), return_sequences=sequences)
    layer.build((None, None, 1), dtype="float64")
    lengths, state, parts = np.array([3, 1]), None, []
    for start in range(3):
        own = np.clip(lengths - start, 0, 1)
        y, state, _ = layer.stream(X[:, start : start + 1], state=state, lengths=own)
        parts.append(y)
    whole = layer(X, lengths=lengths)
    got = np.concatenate(parts, axis=1) if sequences else parts[-1]  # the last output stays as the rows end
    np.testing.assert_array_equal(got, whole)
    stream = lamina.Stream(layer)
    assert [stream(X[:, t : t + 1])[0, -1].tolist() for t in range(3)] == (
        [[2, 2], [3, 3], [4, 4]] if sequences else [2, 3, 4]
    )


def test_an_output_and_states_that_are_not_the_cells_are_refused() -> None:
    class Wrong(Slope):
        def build(self, x: Any, h: Any) -> Any:
            return h, (None, 2)

    with pytest.raises(ShapeError) as caught:
        built(Wrong(1))
    assert str(caught.value) == "Wrong 'cell': expected to give states (batch, 1), got (batch, 1), (batch, 2)"


def test_it_is_a_layer_among_others() -> None:
    for wrapped in (lambda one: one, lambda one: lamina.Sequential(lamina.Bidirectional(one), lamina.layers.GRU(4))):
        model = wrapped(Recurrent(Slope(3), return_sequences=True))
        report = lamina.testing.check_layer(model, (4, 5, 3), ignores_padding=True)
        assert {"gradients", "gradients, ragged", "padding", "row alone"} <= set(report.passed)
