"""What counts as the same, and what does not."""

import numpy as np
import pytest

import lamina
from lamina.errors import ExportError
from lamina.layers import Dense, LayerNorm
from lamina.onnx.verification import TOLERANCE, compared, difference, session_of
from tests.framework.onnx.needs import NEEDS

nan, inf = np.nan, np.inf


@pytest.mark.parametrize(
    ("got", "expected", "wanted"),
    [
        ([1.0, 2.0], [1.0, 2.0], 0.0),
        ([0.5], [0.25], 0.25),
        ([30.0, 1.0], [20.0, 1.0], 0.5),
        ([nan, inf, 1.0], [nan, inf, 1.0], 0.0),
        ([nan], [1.0], inf),
        ([1.0], [nan], inf),
        ([inf], [-inf], inf),
        ([[1.0]], [1.0], inf),
        ([], [], 0.0),
    ],
)
def test_differences_are_relative_to_what_is_larger_than_1_and_nan_is_nan(got, expected, wanted):
    assert difference(got, expected) == wanted


def test_more_than_the_tolerance_is_refused():
    model = Dense(2)
    model.build((None, 3), dtype="float64", seed=0)
    x = np.ones((4, 3))
    assert compared(model, [model(x)], [x], None) == 0
    close = model(x) + 0.1 * TOLERANCE["float64"]
    assert 0 < compared(model, [close], [x], None) < TOLERANCE["float64"]
    with pytest.raises(ExportError, match=r"^Dense: ONNX Runtime gives something else: expected a difference of 1e-09"):
        compared(model, [model(x) + 2e-9], [x], None)


def test_single_precision_may_differ_by_as_much_as_it_rounds_itself():
    # Nearly constant rows: their rounding is divided by a small deviation.
    model = lamina.Sequential(LayerNorm(epsilon=1e-12), Dense(1))
    model.build((None, 4), seed=0)
    x = (1 + 1e-6 * np.random.default_rng(0).normal(size=(3, 4))).astype("float32")
    y = model(x)
    exact = lamina.Sequential(LayerNorm(epsilon=1e-12), Dense(1))
    exact.build((None, 4), dtype="float64")
    exact.load_state_dict(model.state_dict())
    own = np.abs(exact(x) - y).max()
    assert own > TOLERANCE["float32"]
    assert compared(model, [exact(x)], [x], None) > TOLERANCE["float32"]
    with pytest.raises(ExportError):
        compared(model, [y + 1000 * own], [x], None)


pytestmark = NEEDS


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_windows_get_the_steps_that_they_need_and_fewer_give_none(dtype, tmp_path):
    path, model = (
        tmp_path / "model.onnx",
        lamina.Sequential(
            lamina.layers.Conv1D(3, 5, stride=3, padding="valid"),
            lamina.layers.Conv1D(2, 4, padding="valid", dilation=2),
        ),
    )
    model.build((None, None, 2), seed=0, dtype=dtype)
    assert lamina.onnx.export(model, path).difference < 1e-6
    x, lengths = np.ones((2, 5, 2), dtype), np.array([5, 3])
    (y,) = session_of(path.read_bytes()).run(None, {"x": x, "lengths": lengths})
    assert y.shape == model(x, lengths=lengths).shape == (2, 0, 2)
