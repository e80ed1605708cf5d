"""check_layer, as a user calls it: on layers of their own, in a test or a notebook."""

import numpy as np
import pytest

import lamina
from lamina import Composite, Parameter
from lamina.errors import ArgumentError, UnknownNameError
from lamina.layers import Dense, SimpleRNN
from lamina.testing import LayerCheckError, Report, check_layer


class Scale(lamina.Layer):
    def build(self, shape):
        self.factor = Parameter(shape[-1:], "ones")
        return shape

    def forward(self, x):
        return x * self.factor.data, x

    def backward(self, dy, x):
        self.factor.grad += (dy * x).sum(axis=(0, 1))
        return dy * self.factor.data


class Embed(lamina.Layer):
    takes_integers = True

    def __init__(self, words, size):
        self.words, self.size = words, size

    def build(self, shape):
        self.table = Parameter((self.words, self.size), "normal")
        return (*shape, self.size)

    def forward(self, x):
        return self.table.data[x], x

    def backward(self, dy, x):
        np.add.at(self.table.grad, x, dy)


class Product(lamina.Layer):
    """Two inputs, two outputs, a parameter that is not trained."""

    def build(self, a, b):
        self.calls = Parameter((1,), "ones", trainable=False)
        return a, b

    def forward(self, a, b):
        return (a * b, a + b), (a, b)

    def backward(self, dy, saved):
        (dp, ds), (a, b) = dy, saved
        return dp * b + ds, dp * a + ds


class Shift(lamina.Layer):
    """The step before, from a state where there is one, which lengths do not change."""

    def build(self, shape, state):
        return shape

    def forward(self, x, state, lengths=None):
        y = np.concatenate([state[:, None], x[:, :-1]], axis=1)
        return self.backend.zero_past(y, lengths), lengths

    def backward(self, dy, lengths):
        dy = self.backend.zero_past(dy, lengths)
        last = np.zeros_like(dy[:, :1])
        return np.concatenate([dy[:, 1:], last], axis=1), dy[:, 0].copy()


class Positional(lamina.Layer):
    """Works for one number of steps alone."""

    def build(self, shape):
        self.where = Parameter((self.size_of(shape, 1), 1), "normal")
        return shape

    def forward(self, x):
        return x + self.where.data, None

    def backward(self, dy, saved):
        self.where.grad += dy.sum(axis=(0, 2))[:, None]
        return dy


def test_ten_lines_of_a_users():
    report = check_layer(Scale(), (4, 5, 3))
    assert isinstance(report, Report)
    assert report.skipped == {
        "row alone": "takes no lengths",
        "configuration": "not registered",
        "saving": "not registered",
    }
    assert 0 < report.worst_error < 1e-6


def test_a_class_that_cannot_be_imported():
    class Local(Scale):
        pass

    report = check_layer(lamina.Sequential(Local(), SimpleRNN(3)), (4, 5, 3))
    copies = next(check for check in report.checks if check.name == "copies")
    assert copies.passed
    assert copies.detail == "not pickled: Local cannot be imported by its name"
    assert report.skipped["saving"] == "not registered: Local"


def test_a_class_of_a_notebook(monkeypatch):
    """There a class is an attribute of the module __main__."""
    import sys

    monkeypatch.setattr(Scale, "__module__", "__main__")
    monkeypatch.setattr(sys.modules["__main__"], "Scale", Scale, raising=False)
    assert "copies" in check_layer(Scale(), (4, 5, 3)).passed


def test_a_registered_class_is_saved(monkeypatch):
    for name in ("_classes", "_names"):
        monkeypatch.setattr(lamina.Layer.registry, name, dict(getattr(lamina.Layer.registry, name)))
    lamina.register(Positional)
    assert {"saving", "configuration"} <= set(check_layer(Positional(), (4, 5, 3)).passed)


def test_integers():
    words = np.array([[1, 2, 0, 4], [3, 3, 1, 0], [4, 0, 0, 2], [1, 1, 1, 1]])
    report = check_layer(Embed(5, 3), words)
    assert "padding" in report.passed
    report = check_layer(lamina.Sequential(Embed(5, 3), SimpleRNN(4)), words)
    assert {"gradients, ragged", "padding", "row alone"} <= set(report.passed)


def test_several_inputs_and_outputs():
    check_layer(Product(), (4, 5, 3), (4, 5, 3))
    check_layer(Product(), (4, 3), (4, 3))


def test_state():
    report = check_layer(Shift(), (5, 4, 3), state=(5, 3))
    assert {"padding", "row alone", "gradients, ragged"} <= set(report.passed)


def test_fixed_time_axis():
    report = check_layer(Positional(), (4, 5, 3))
    assert "shapes" in report.passed


def test_input_values_of_ones_own():
    class Root(lamina.Layer):
        def build(self, shape):
            return shape

        def forward(self, x):
            y = np.sqrt(x)
            return y, y

        def backward(self, dy, y):
            return dy / (2 * y)

    positive = 0.5 + np.random.default_rng(0).random((5, 4))
    with pytest.raises(LayerCheckError, match="invalid value"):
        check_layer(Root(), (5, 4))
    check_layer(Root(), positive)
    check_layer(Root(), 0.5 + np.random.default_rng(0).random((4, 5, 3)))


def test_composite_with_shared_weights():
    class Twice(Composite):
        def __init__(self):
            self.layer = Dense(3)

        def compose(self, t, x):
            return t(self.layer, t(self.layer, x))

    check_layer(Twice(), (4, 5, 3))


def test_the_layer_stays_as_it_was():
    layer = Dense(3)
    check_layer(layer, (4, 2))
    assert not layer.is_built
    assert "w" not in vars(layer)


def test_the_same_seed_gives_the_same_report():
    assert str(check_layer(Dense(3), (4, 2), seed=3)) == str(check_layer(Dense(3), (4, 2), seed=3))
    assert check_layer(Dense(3), (4, 2), seed=3).worst_error != check_layer(Dense(3), (4, 2), seed=4).worst_error


def test_tolerance():
    with pytest.raises(LayerCheckError, match=r"Dense\(3\): gradients: gradient of input: "):
        check_layer(Dense(3), (4, 2), tolerance=1e-16)


def test_skip():
    report = check_layer(Dense(3), (4, 2), skip=["saving", "copies"])
    assert report.skipped["saving"] == report.skipped["copies"] == "as asked"
    with pytest.raises(UnknownNameError, match="unknown check 'savings': did you mean 'saving'"):
        check_layer(Dense(3), (4, 2), skip=["savings"])
    with pytest.raises(ArgumentError, match="expected a collection of names"):
        check_layer(Dense(3), (4, 2), skip="saving")


def built():
    layer = Dense(3)
    layer.build((None, 2))
    return layer


@pytest.mark.parametrize(
    ("arguments", "options", "match"),
    [
        ((Dense, (4, 2)), {}, "expected a layer"),
        ((built(), (4, 2)), {}, "as its constructor made it"),
        ((Dense(3),), {}, "expected the shape of an input"),
        ((Dense(3), (1, 2)), {}, "at least 2 rows"),
        ((Dense(3), (None, 2)), {}, "expected a shape such as"),
        ((Dense(3), "ab"), {}, "expected a shape such as"),
        ((SimpleRNN(3), (4, 5, 2)), {"state": (3, 3)}, "one batch"),
        ((Dense(3), (4, 2)), {"lengths": True}, "lengths need an input"),
    ],
)
def test_arguments(arguments, options, match):
    with pytest.raises(ArgumentError, match=match):
        check_layer(*arguments, **options)


def test_failures_are_assertions_of_one_line():
    class Wrong(Scale):
        def backward(self, dy, x):
            self.factor.grad += (dy * x).sum(axis=(0, 1))
            raise KeyError("several\nlines")

    with pytest.raises(AssertionError) as info:
        check_layer(Wrong(), (4, 5, 3))
    assert str(info.value) == "Wrong(): shapes: raised KeyError: 'several\\nlines'"


def test_an_argument_that_building_changes_is_caught():
    class Sized(Scale):
        def __init__(self, size=None):
            self.size = size

        def build(self, shape):
            self.size = self.size or shape[-1]
            return super().build(shape)

    check_layer(Sized(3), (4, 5, 3))
    with pytest.raises(LayerCheckError, match="arguments: argument 'size': expected None, as before building, got 3"):
        check_layer(Sized(), (4, 5, 3))
