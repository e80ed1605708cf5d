import numpy as np
import pytest

import lamina
from lamina.errors import ArgumentError
from lamina.layers import Dense, SimpleRNN, Tanh
from lamina.losses import MeanSquaredError, SoftmaxCrossEntropy
from lamina.testing import CheckError, check_gradients


def numbers(*shape):
    return np.random.default_rng(shape).standard_normal(shape)


def model(*layers, shape=(None, None, 3)):
    made = lamina.Sequential(*layers)
    made.build(shape, dtype="float64", seed=0)
    return made


def test_layer():
    assert check_gradients(model(SimpleRNN(4)), numbers(3, 5, 3), lengths=[2, 5, 0]) < 1e-8


def test_model_and_loss():
    classifier = model(SimpleRNN(4), Dense(3))
    labels = np.array([0, 2, 1])
    assert check_gradients(classifier, numbers(3, 5, 3), loss=SoftmaxCrossEntropy(), target=labels) < 1e-7
    tagger = model(SimpleRNN(4, return_sequences=True), Dense(3))
    options = {"target": np.zeros((3, 5), int), "lengths": np.array([2, 5, 0]), "mask": np.array([1, 0.5, 1])}
    assert check_gradients(tagger, numbers(3, 5, 3), loss=SoftmaxCrossEntropy(), **options) < 1e-7


class Doubled(MeanSquaredError):
    """Gives twice its gradient."""

    def backward(self, saved):
        return 2 * super().backward(saved)


@pytest.mark.parametrize("place", [0, 1])
def test_losses_of_several_outputs_are_added_up(place):
    both = model(SimpleRNN(4, return_sequences=True, return_state=True))
    targets, lengths = (numbers(3, 5, 4), numbers(4, 3).T), np.array([2, 5, 1])
    options = {"target": targets, "lengths": lengths, "mask": np.array([1, 0.5, 2])}
    for losses in ((MeanSquaredError(),) * 2, (MeanSquaredError(), None)[:: 1 - 2 * place]):
        assert check_gradients(both, numbers(3, 5, 3), loss=losses, **options) < 1e-7
    losses = (MeanSquaredError(), Doubled())[:: 2 * place - 1]
    with pytest.raises(CheckError, match="gradient of"):
        check_gradients(both, numbers(3, 5, 3), loss=losses, **options)


def test_loss():
    assert check_gradients(MeanSquaredError(), numbers(3, 4), target=numbers(4, 3).T) < 1e-8


def test_function():
    def product(a, b):
        return np.sum(a * b), (b, a)

    def wrong(a, b):
        return np.sum(a * b), (b, a + 1e-4)

    assert check_gradients(product, numbers(4), numbers(4) + 1) < 1e-8
    with pytest.raises(CheckError, match="gradient of input 1"):
        check_gradients(wrong, numbers(4), numbers(4) + 1)
    assert check_gradients(lambda a: (np.sum(a**3), 3 * a**2), numbers(4)) < 1e-8


def test_two_inputs_with_lengths_of_their_own():
    class Compare(lamina.Composite):
        def __init__(self):
            self.encoder, self.join = SimpleRNN(4), lamina.Concat()

        def compose(self, t, a, b):
            return t(self.join, t(self.encoder, a), t(self.encoder, b))

    pair = Compare()
    pair.build((None, None, 3), (None, None, 3), dtype="float64", seed=0)
    lengths = np.array([2, 5, 0]), np.array([1, 0, 4])
    assert check_gradients(pair, numbers(3, 5, 3), numbers(3, 4, 3), lengths=lengths) < 1e-8


def test_weights_and_gradients_are_as_before():
    layer = Dense(4)
    layer.build((None, 3), dtype="float64", seed=0)
    layer.w.grad = numbers(3, 4)
    weights, gradient = layer.state_dict(), layer.w.grad.copy()
    check_gradients(layer, numbers(5, 3))
    for name, value in weights.items():
        assert (layer.state_dict()[name] == value).all()
    assert (layer.w.grad == gradient).all()

    layer.backward = lambda dy, saved: np.zeros((5, 3))  # wrong: it fails half way
    with pytest.raises(CheckError):
        check_gradients(layer, numbers(5, 3))
    for name, value in weights.items():
        assert (layer.state_dict()[name] == value).all()


def test_frozen_parameters_are_left_out():
    class Frozen(Dense):
        def build(self, shape):
            output = super().build(shape)
            self.w.trainable = False
            return output

    layer = Frozen(2)
    layer.build((None, 3), dtype="float64", seed=0)
    check_gradients(layer, numbers(4, 3))


@pytest.mark.parametrize("size", [1, 100, 10_000])
def test_one_wrong_element_of_many_is_found(size):
    def wrong(a):
        gradient = 2 * a
        gradient[size // 2] += 0.1
        return np.sum(a * a), gradient

    with pytest.raises(CheckError, match="a relative error of"):
        check_gradients(wrong, 1 + np.abs(numbers(size)))


@pytest.mark.parametrize("scale", [1e-6, 1e-3, 1.0, 1e3])
def test_a_relative_error_is_found_at_any_scale(scale):
    def wrong(a):
        return scale * np.sum(a * a), scale * 2.0001 * a

    def right(a):
        return scale * np.sum(a * a), scale * 2 * a

    assert check_gradients(right, numbers(50)) < 1e-7
    with pytest.raises(CheckError):
        check_gradients(wrong, numbers(50))


def test_gradients_that_are_not_numbers():
    with pytest.raises(CheckError, match="expected finite numbers"):
        check_gradients(lambda a: (np.sum(a), a * np.nan), numbers(3))
    with pytest.raises(CheckError, match=r"expected shape \(3,\), got \(1,\)"):
        check_gradients(lambda a: (np.sum(a), np.ones(1)), numbers(3))


def test_arguments():
    layer = Dense(2)
    layer.build((None, 3))
    with pytest.raises(ArgumentError, match="build Dense with dtype='float64'"):
        check_gradients(layer, numbers(4, 3))
    with pytest.raises(ArgumentError, match="several outputs"):
        check_gradients(
            model(SimpleRNN(2, return_state=True)), numbers(4, 5, 3), loss=MeanSquaredError(), target=numbers(4, 2)
        )
    with pytest.raises(ArgumentError, match="has one output, and losses for several"):
        check_gradients(model(SimpleRNN(2)), numbers(4, 5, 3), loss=(MeanSquaredError(),), target=(numbers(4, 2),))
    with pytest.raises(ArgumentError, match="a loss takes one prediction, in float64"):
        check_gradients(MeanSquaredError(), numbers(4, 3).astype(np.float32), target=numbers(4, 3))


def test_integers_are_not_differentiated():
    class Pick(lamina.Layer):
        takes_integers = True

        def build(self, shape, index):
            return (None,)

        def forward(self, x, index):
            return x[np.arange(len(x)), index], (x.shape, index)

        def backward(self, dy, saved):
            shape, index = saved
            dx = np.zeros(shape)
            dx[np.arange(len(dx)), index] = dy
            return dx, None

    layer = Pick()
    layer.build((None, 3), (None,), dtype="float64")
    assert check_gradients(layer, numbers(4, 3), np.array([0, 2, 1, 1])) < 1e-8


def test_on_another_backend(strict):
    layer = lamina.Sequential(Dense(4), Tanh())
    layer.build((None, 3), dtype="float64", seed=0, backend=strict)
    assert check_gradients(layer, numbers(5, 3)) < 1e-8
    assert check_gradients(layer, numbers(5, 3), loss=MeanSquaredError(), target=numbers(5, 4)) < 1e-8


@pytest.mark.parametrize("first", ["integers", "numbers"])
def test_integers_may_be_any_of_the_inputs(first):
    class Both(lamina.Composite):
        def __init__(self):
            self.table, self.dense = lamina.layers.Embedding(5, 3), Dense(3)

        def compose(self, t, a, b):
            ids, x = (a, b) if first == "integers" else (b, a)
            return t.multiply(t(self.table, ids), t(self.dense, x))

    values = [np.array([[0, 1], [2, 4]]), numbers(2, 2, 2)]
    shapes = [(None, None), (None, None, 2)]
    order = 1 if first == "integers" else -1
    both = Both()
    both.build(*shapes[::order], dtype="float64", seed=0)
    assert check_gradients(both, *values[::order]) < 1e-7
    lamina.testing.check_layer(Both(), *(values[0], (2, 2, 2))[::order])


def test_a_value_that_is_no_number_proves_nothing():
    with pytest.raises(CheckError, match=r"^.*gradient of input 0: expected a slope of nan"):
        check_gradients(lambda a, b: (np.nan, (np.ones(3), np.ones(3))), numbers(3), numbers(3))
