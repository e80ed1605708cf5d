"""A model as a table."""

import json
import pickle
from typing import Any

import pytest

from lamina import Composite, Sequential
from lamina.errors import NotBuiltError
from lamina.layers import Dense, Flatten, SimpleRNN, Tanh


def test_the_whole_table() -> None:
    model = Sequential(SimpleRNN(32, return_sequences=True), Sequential(Tanh(), SimpleRNN(4)), Dense(9))
    model.build((None, None, 12), backend="numpy", seed=0)
    assert model.summary() == "\n".join(
        [
            "layer            output shape       parameters  dtype    backend  kernel",
            "-" * 84,
            "0 SimpleRNN      (batch, time, 32)       1,440  float32  numpy    simple_rnn (numpy)",
            "1 Sequential     (batch, 4)                     float32  numpy",
            "  1.0 Tanh       (batch, time, 32)              float32  numpy    tanh (numpy)",
            "  1.1 SimpleRNN  (batch, 4)                148  float32  numpy    simple_rnn (numpy)",
            "2 Dense          (batch, 9)                 45  float32  numpy    dense (numpy)",
            "1,633 parameters",
        ]
    )


def test_one_layer_alone_on_generic_kernels_with_frozen_weights() -> None:
    layer = Dense(2)
    layer.build((None, 3), backend="reference", dtype="float64")
    layer.b.trainable = False
    assert layer.summary().splitlines() == [
        "layer  output shape  parameters  dtype    backend    kernel",
        "--------------------------------------------------------------------",
        "Dense  (batch, 2)             8  float64  reference  dense (generic)",
        "8 parameters, 2 not trained",
    ]


def test_several_outputs_are_all_shown_and_a_layer_without_a_kernel_shows_none() -> None:
    model = Sequential(SimpleRNN(2, return_sequences=True, return_state=True))
    model.build((None, 5, 3))
    assert "(batch, 5, 2), (batch, 2)" in model.summary()
    flatten = Flatten()
    flatten.build((None, 5, 3), backend="numpy")
    assert flatten.summary().splitlines()[2] == "Flatten  (batch, 15)               float32  numpy"


def test_a_shared_layer_is_shown_and_counted_once() -> None:
    shared = Dense(2)
    model = Sequential(shared, shared)
    model.build((None, 2))
    lines = model.summary().splitlines()
    assert [line.split()[:2] for line in lines[2:]] == [["0", "Dense"], ["6", "parameters"]]


def test_a_layer_that_is_never_called_is_shown_as_not_built() -> None:
    class Spare(Composite):
        def __init__(self) -> None:
            self.used, self.spare = Dense(2), Dense(3)

        def compose(self, t: Any, x: Any) -> Any:
            return t(self.used, x)

    model = Spare()
    model.build((None, 2))
    lines = model.summary().splitlines()
    assert lines[3] == "spare Dense  not built"
    assert lines[-1] == "6 parameters"


def test_a_model_must_be_built() -> None:
    with pytest.raises(NotBuiltError, match=r"^Sequential is not built: call build\(shape\) first$"):
        Sequential(Dense(2)).summary()


def test_a_notebook_shows_what_the_text_says(read_page: Any) -> None:
    model = Sequential(SimpleRNN(32, return_sequences=True), Sequential(Tanh(), SimpleRNN(4)), Dense(9))
    assert model._repr_html_() is None  # its text is shown
    model.build((None, None, 12), backend="numpy", seed=0)
    model.layers[2].b.trainable = False
    text = model.summary()
    assert isinstance(text, str)
    page = read_page(text._repr_html_())  # type: ignore[attr-defined]
    lines = [line.rstrip() for line in text.splitlines()]
    assert [" ".join(filter(None, map(str.strip, row))) for row in page.tables[0]] == [
        " ".join(line.split()) for line in (lines[0], *lines[2:-1])
    ]
    assert page.tables[0][3][:3] == ["  1.0 Tanh", "(batch, time, 32)", ""]
    assert page.texts == ["1,633 parameters, 9 not trained"] == lines[-1:]
    assert model._repr_html_() == text._repr_html_()  # type: ignore[attr-defined]


def test_the_text_is_kept_whole_and_its_table_too() -> None:
    layer = Dense(2)
    layer.build((None, 3))
    text = layer.summary()
    copy = pickle.loads(pickle.dumps(text))
    assert copy == text and copy._repr_html_() == text._repr_html_()  # type: ignore[attr-defined]
    assert json.loads(json.dumps({"summary": text})) == {"summary": text}


def test_names_of_layers_are_text_in_a_notebook(read_page: Any) -> None:
    strange = type("<b>&", (Dense,), {})(2)
    strange.build((None, 3))
    assert read_page(strange._repr_html_()).tables[0][1][0] == "<b>&"


def test_a_notebook_shows_both_ends_of_a_long_model(read_page: Any) -> None:
    model = Sequential(*(Tanh() for _ in range(300)))
    model.build((None, 3))
    rows = read_page(model._repr_html_()).tables[0]
    assert len(rows) == 62
    assert [rows[1][0], rows[30][0], rows[31], rows[32][0], rows[-1][0]] == [
        *("0 Tanh", "29 Tanh", ["240 more"], "270 Tanh", "299 Tanh")
    ]
    assert len(model.summary().splitlines()) == 303
