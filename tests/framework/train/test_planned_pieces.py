"""Lengths that all inputs with steps have in common."""

import numpy as np
import pytest

import lamina
from lamina.core.lowering import NotPlanned
from lamina.data.shapes import Data
from lamina.train.planned_pieces import common_lengths
from tests.framework.train.three_heads import built

ENDS, OTHER = np.array([2, 0, 5]), np.array([2, 1, 5])
X, STATIC = np.zeros((3, 5, 3)), np.zeros((3, 3))


def common(inputs, lengths):
    return common_lengths(Data(inputs, None, lengths), built())


def test_those_of_all_inputs_with_steps():
    assert common((X, X), None) is None
    assert common((X, X), ENDS) is ENDS
    assert common((X, X), (ENDS, ENDS.copy())) is ENDS
    assert common((STATIC, X), (None, ENDS)) is ENDS
    assert common((X, X), (None, None)) is None


@pytest.mark.parametrize(
    ("inputs", "lengths"), [((X, X), (ENDS, OTHER)), ((X, X), (ENDS, None)), ((X, X), (None, ENDS))]
)
def test_lengths_of_their_own_are_refused(inputs, lengths):
    with pytest.raises(NotPlanned, match="its inputs have lengths of their own"):
        common(inputs, lengths)


def test_integers_of_two_axes_have_steps():
    model = lamina.layers.Embedding(5, 2)
    model.build((None, None), seed=0)
    ids = np.zeros((3, 5), np.int64)
    assert common_lengths(Data((ids,), None, (ENDS,)), model) is ENDS
    with pytest.raises(NotPlanned):
        common_lengths(Data((ids, X), None, (None, ENDS)), model)
