import re

import pytest

import lamina
from lamina.errors import ArgumentError
from lamina.optimizers import SGD
from lamina.testing import OptimizerCheckError, check_optimizer


class Sign(lamina.Optimizer):
    """As short as an optimizer may be."""

    def __init__(self, parameters, lr=0.001):
        super().__init__(parameters, lr)

    def update(self, backend, data, grad, state):
        data -= self.lr * backend.xp.sign(grad)


def test_an_optimizer_of_ones_own():
    assert len(check_optimizer(Sign).passed) == 12


def test_steps():
    with pytest.raises(OptimizerCheckError, match=r"SGD\(\): converges: expected a tenth of"):
        check_optimizer(SGD, steps=10)


def test_the_report_tells_what_was_measured():
    report = check_optimizer(lambda p: SGD(p, lr=0.1), steps=50)
    details = {check.name: check.detail for check in report.checks}
    before, after = re.fullmatch(r"(\S+) to (\S+) in 50 steps", details["converges"]).groups()
    # Each step takes a tenth of the curvature, 0.05 to 0.1, of what is left; squared, after fifty.
    assert 0.9**100 < float(after) / float(before) < 0.95**100
    assert float(re.fullmatch(r"(\S+) in float64", details["generic kernel"])[1]) < 1e-10
    assert details["moved"] == "to 'reference' and back"


def test_arguments():
    with pytest.raises(ArgumentError, match="expected what makes an optimizer"):
        check_optimizer(3)
    with pytest.raises(ArgumentError, match="expected the factory to make an Optimizer"):
        check_optimizer(list)
