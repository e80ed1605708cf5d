"""A layer over two sequences: attention that takes another's lengths, or none, is caught; the right one passes."""

import numpy as np
import pytest

import lamina
from lamina.errors import ShapeError
from lamina.testing import LayerCheckError, check_layer


class Attention(lamina.Layer):
    """Each query's mean of a memory, weighted by the softmax of their products over the memory's valid steps."""

    def build(self, queries, memory):
        return queries

    def ends(self, lengths):
        return lengths[1]

    def output_lengths(self, lengths):
        return lengths[0] if isinstance(lengths, tuple) else lengths

    def forward(self, queries, memory, lengths=None):
        scores = queries @ memory.swapaxes(1, 2)
        own = None if lengths is None else self.ends(lengths)
        if own is not None:
            past = np.arange(memory.shape[1]) >= own[:, None]
            scores = np.where(past[:, None, :], -np.inf, scores)
        with np.errstate(invalid="ignore"):  # of a row without a step
            weights = np.exp(scores - scores.max(2, keepdims=True))
        weights = np.nan_to_num(weights / np.maximum(weights.sum(2, keepdims=True), 1e-30))
        if lengths is not None:
            outside = np.arange(queries.shape[1]) >= lengths[0][:, None]
            weights = np.where(outside[:, :, None], 0, weights)
        return weights @ memory, (queries, memory, weights)

    def backward(self, dy, saved):
        queries, memory, weights = saved
        dweights = dy @ memory.swapaxes(1, 2)
        dscores = weights * (dweights - (dweights * weights).sum(2, keepdims=True))
        return dscores @ memory, dscores.swapaxes(1, 2) @ queries + weights.swapaxes(1, 2) @ dy


class Leaking(Attention):
    def ends(self, lengths):
        return None


class Swapped(Attention):
    def ends(self, lengths):
        return lengths[0]


class LongerOfBoth(Attention):
    def ends(self, lengths):
        return np.maximum(*lengths)


class FirstStepOnly(Attention):
    """Keeps to the memory's lengths where the memory is the shorter one alone."""

    def ends(self, lengths):
        return np.minimum(*lengths)


def proof(layer):
    return check_layer(layer, (4, 5, 3), (4, 5, 3), ignores_padding=False)


def test_attention_that_keeps_to_the_lengths_of_its_memory_is_proven():
    report = proof(Attention())
    assert "several lengths" in report.passed
    assert "gradients, ragged" in report.passed


@pytest.mark.parametrize("layer", [Leaking(), Swapped(), LongerOfBoth(), FirstStepOnly()])
def test_attention_that_does_not_is_caught(layer):
    with pytest.raises(LayerCheckError):
        proof(layer)


@pytest.mark.parametrize("layer", [Swapped(), LongerOfBoth(), FirstStepOnly()])
def test_what_equal_lengths_do_not_show_is_caught_by_different_ones(layer):
    with pytest.raises(LayerCheckError, match="several lengths: "):
        proof(layer)


def test_inputs_that_must_be_alike_may_be_refused():
    assert "refuses different lengths" in str(
        check_layer(lamina.layers.Add(), (4, 5, 3), (4, 5, 3), ignores_padding=False)
    )


class Sum(lamina.Layer):
    def build(self, a, b):
        return a

    def forward(self, a, b):
        return a + b, None

    def backward(self, dy, saved):
        return dy, dy


def test_one_that_takes_no_lengths_is_given_equal_ones_alone():
    assert "refuses different lengths" in str(check_layer(Sum(), (4, 5, 3), (4, 5, 3)))
    layer = Sum()
    layer.build((None, None, 1), (None, None, 1))
    x = np.ones((2, 3, 1))
    for call in (layer, layer.forward, layer.infer):
        with pytest.raises(ShapeError, match=r"^Sum: expected inputs of the same lengths, got \[3, 2\] and \[2, 3\]$"):
            call(x.astype("float32"), x.astype("float32"), lengths=([3, 2], [2, 3]))
        with pytest.raises(ShapeError, match=r"^Sum: expected inputs of the same lengths, got \[3, 2\] and none"):
            call(x.astype("float32"), x.astype("float32"), lengths=([3, 2], None))
    assert layer(x, x, lengths=([3, 2], [3, 2]))[:, :, 0].tolist() == [[2, 2, 2], [2, 2, 0]]


def test_one_that_says_so_and_does_not_is_caught():
    class Says(Sum):
        def output_lengths(self, lengths):
            return lengths[0] if isinstance(lengths, tuple) else lengths

    with pytest.raises(LayerCheckError, match="several lengths: "):
        check_layer(Says(), (4, 5, 3), (4, 5, 3))


def test_one_that_stumbles_over_different_lengths_does_not_refuse_them():
    class Stumbles(Attention):
        def ends(self, lengths):
            if (lengths[0] != lengths[1]).any():
                raise ArithmeticError("stumbled")
            return lengths[1]

    with pytest.raises(LayerCheckError, match=r"several lengths: .*stumbled"):
        proof(Stumbles())
