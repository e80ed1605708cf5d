import numpy as np
import pytest

import lamina
from lamina.errors import ArgumentError
from lamina.losses import MeanSquaredError, SoftmaxCrossEntropy
from lamina.testing import check_loss


class Absolute(lamina.Loss):
    """As short as a loss may be: it takes neither lengths nor a mask."""

    def forward(self, prediction, target):
        difference = prediction - target.astype(prediction.dtype)
        return np.abs(difference).mean(), np.sign(difference) / difference.size

    def backward(self, saved):
        return saved.astype(saved.dtype)


def test_a_loss_of_ones_own():
    report = check_loss(Absolute(), (4, 5, 3))
    assert report.skipped == {
        "left out": "takes neither lengths nor mask",
        "nothing counts": "takes no mask",
        "configuration": "not registered",
    }


def test_the_loss_stays_as_it_was():
    loss = MeanSquaredError()
    check_loss(loss, (4, 3), backend="reference")
    assert loss.backend is None


def test_the_ways_to_leave_something_out():
    report = check_loss(MeanSquaredError(), (4, 5, 3))
    tried = next(check.detail for check in report.checks if check.name == "left out")
    assert tried == "mask, weights, bool mask, mask of rows, lengths, lengths and mask"
    report = check_loss(SoftmaxCrossEntropy(), (4, 3), np.array([0, 1, 2, 1]))
    tried = next(check.detail for check in report.checks if check.name == "left out")
    assert tried == "mask, weights, bool mask"


def test_arguments():
    with pytest.raises(ArgumentError, match="expected a loss"):
        check_loss(MeanSquaredError, (4, 3))
    with pytest.raises(AssertionError, match=r"SoftmaxCrossEntropy\(\): dtypes: raised"):
        check_loss(SoftmaxCrossEntropy(), (4, 3), np.array([0, 1, 2, 3]))
