"""Some features of each row, in models."""

import pytest

pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")

import lamina
from lamina import layers
from tests.backends.numba.engine.programs import CASES, DTYPES, check_model


class Parts(lamina.Composite):
    def __init__(self):
        self.inner, self.head = layers.Dense(7), layers.Dense(3)

    def compose(self, t, x):
        h = t(self.inner, x)
        return t(self.head, t.concatenate(h[..., 2:5], h[..., ::-3], h[..., -2:])[:, -1])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_features_are_taken_as_by_the_model(case, dtype):
    check_model(Parts, dtype, **case)


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu", "gelu", "silu", "linear"])
def test_one_half_gates_the_other(activation):
    def make():
        return lamina.Sequential(layers.Dense(8), layers.GLU(activation), layers.Dense(3), layers.LastStep())

    check_model(make, "float64", ragged=True)


def test_a_split_gives_parts_of_the_features():
    class Halves(lamina.Composite):
        def __init__(self):
            self.inner, self.split, self.head = layers.Dense(9), layers.Split((2, 3, 4)), layers.Dense(3)

        def compose(self, t, x):
            a, b, c = t(self.split, t(self.inner, x))
            return t(self.head, t.concatenate(c, a * 2, b))[:, -1]

    check_model(Halves, "float64", ragged=True)
