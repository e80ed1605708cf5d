"""Activations of each layer, and their picture."""

import doctest
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import Composite, Concat, Recurrent, Residual, Sequential
from lamina.errors import ArgumentError, UnknownNameError
from lamina.inspect import activations, outputs
from lamina.layers import GRU, LSTM, Dense, Dropout, SimpleRNN, Tanh
from lamina.testing.cases.examples import LeakyPair

X = np.random.default_rng(0).normal(size=(4, 6, 3))
LENGTHS = np.array([6, 2, 0, 5])


def built(*layers: Any) -> Sequential:
    model = Sequential(*layers)
    model.build((None, None, 3), seed=0, dtype="float64")
    return model


@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "ragged"])
def test_each_layers_output_in_inference(lengths: Any) -> None:
    layers = [Residual(SimpleRNN(3, return_sequences=True)), Dropout(0.5), LSTM(4), Dense(2)]
    model = built(*layers)
    found = activations(model, X, lengths=lengths)
    assert list(found) == ["0.inner", "0", "1", "2", "3"]
    inner = layers[0].inner(X, lengths=lengths)
    assert np.array_equal(found["0.inner"], inner)
    assert np.array_equal(found["0"], X + inner)
    assert np.array_equal(found["1"], found["0"])
    assert np.array_equal(found["3"], model(X, lengths=lengths))
    assert found.labels["2"] == "LSTM"
    assert (found.lengths["0"] is None) == (lengths is None)
    assert found.lengths["2"] is None
    assert len(found) == 5
    assert repr(found) == "<Activations of 0.inner, 0, 1, 2, 3>"


def test_cells_are_not_looked_at_and_second_calls_are() -> None:
    shared = Dense(3)
    found = activations(built(shared, Tanh(), shared, Recurrent(LeakyPair(2))), X)
    assert list(found) == ["0", "1", "0 (call 2)", "3"]


def test_layers_of_a_composite_and_of_branches_are_found() -> None:
    class Both(Composite):
        def __init__(self) -> None:
            self.encoder, self.join = GRU(2, return_sequences=True, return_state=True), Concat(Dense(1), Dense(2))

        def compose(self, t: Any, x: Any) -> Any:
            return t(self.join, t(self.encoder, x)[0])

    model = Both()
    model.build((None, None, 3), seed=0)
    found = activations(model, X)
    assert list(found) == ["encoder", "join.0", "join.1", "join", "Both"]
    assert found["encoder"].shape == (4, 6, 2)
    assert np.array_equal(found["join"], found["Both"])


def test_a_layer_alone_goes_by_its_class() -> None:
    layer = Dense(2)
    layer.build((None, 3), seed=0)
    assert list(activations(layer, X[:, 0])) == ["Dense"]


def test_the_picture_shows_a_row_without_its_padding(tmp_path: Path) -> None:
    found = activations(built(GRU(5, return_sequences=True), SimpleRNN(4)), X, lengths=LENGTHS)
    figure = found.plot(tmp_path / "activations.png", row=1)
    panels = [axes for axes in figure.axes if axes.get_title(loc="left")]
    assert [axes.get_title(loc="left") for axes in panels] == ["0 GRU", "1 SimpleRNN"]
    assert np.array_equal(panels[0].get_images()[0].get_array(), found["0"][1, :2].T)
    assert np.array_equal(panels[1].get_images()[0].get_array(), found["1"][1:2])
    assert (tmp_path / "activations.png").read_bytes().startswith(b"\x89PNG")
    assert len(found.plot(layers=["1"]).axes) == 2  # the map and its scale
    empty = found.plot(row=2)
    assert empty.axes


def test_what_there_is_not_is_refused() -> None:
    found = activations(built(GRU(5)), X)
    with pytest.raises(ArgumentError, match=r"^plot: expected a row from 0 to 3, got 4$"):
        found.plot(row=4)
    with pytest.raises(ArgumentError, match=r"^plot: expected row to be a whole number of 0 or more, got -1$"):
        found.plot(row=-1)
    with pytest.raises(UnknownNameError, match=r"^unknown layer '7'"):
        found.plot(layers=["7"])
    with pytest.raises(ArgumentError, match=r"^plot: expected at least one layer$"):
        found.plot(layers=[])


def test_the_examples_run() -> None:
    assert doctest.testmod(outputs).failed == 0


def test_defaults_are_as_written_out(defaults: Any) -> None:
    assert defaults(activations) == {"lengths": None}
    assert defaults(lamina.inspect.Activations.plot) == {"path": None, "row": 0, "layers": None}


def test_a_scale_has_few_ticks() -> None:
    found = activations(built(SimpleRNN(4)), X, lengths=LENGTHS)
    figure = found.plot()
    axes = figure.add_subplot()
    outputs._draw(figure, axes, np.array([[0.0, 2.0]]), timed=True)
    figure.canvas.draw()
    assert [tick for tick in figure.axes[-1].get_yticks() if 0 <= tick <= 2] == [0, 1, 2]


def test_a_notebook_shows_what_is_put_out_and_the_picture(read_page: Any) -> None:
    pytest.importorskip("matplotlib.figure", exc_type=ImportError)
    found = outputs.Activations({"0": np.array([[[1.0, 3.0], [1.0, 3.0]]])}, {"0": "My<Layer>"}, {"0": None})
    page = read_page(found._repr_html_())
    assert page.tables == [
        [
            ["layer", "class", "shape", "mean", "deviation", "least", "largest"],
            ["0", "My<Layer>", "(1, 2, 2)", "2.0000", "1.0000", "1.0000", "3.0000"],
        ]
    ]
    assert (page.texts, len(page.images)) == (["activations"], 1)


def test_a_notebook_shows_what_has_no_steps_and_what_has_no_layers(read_page: Any) -> None:
    pytest.importorskip("matplotlib.figure", exc_type=ImportError)
    found = activations(built(SimpleRNN(2, return_sequences=True)), X[:2, :0])
    page = read_page(found._repr_html_())
    assert page.tables[0][1:] == [["0", "SimpleRNN", "(2, 0, 2)", "", "", "", ""]]
    assert len(page.images) == 1
    page = read_page(outputs.Activations({}, {}, {})._repr_html_())
    assert (len(page.tables[0]), page.images) == (1, [])


def test_a_notebook_shows_pictures_of_the_first_layers_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    found = activations(built(*(Tanh() for _ in range(20))), X)
    monkeypatch.setattr(outputs, "picture", lambda draw, about: str(asked.append(draw)))
    monkeypatch.setattr(found, "plot", lambda layers: layers)
    found._repr_html_()
    assert [draw() for draw in asked] == [[str(place) for place in range(8)]]
