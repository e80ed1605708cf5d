"""Optimizers whose updates are no plan's: each is told why, alone and as a part of a joint one."""

import pytest

import lamina
from lamina.core.lowering import NotPlanned
from lamina.optimization.joint import JointOptimizer
from lamina.optimization.rule import one_kernel
from lamina.optimizers import LBFGS, SGD, AdaGrad, Lookahead, Muon
from lamina.plan.updates import Updates


def model():
    made = lamina.Sequential(lamina.layers.SimpleRNN(4), lamina.layers.Dense(3))
    made.build((None, None, 3), seed=0)
    return made


class Doubled(SGD):
    """Its kernel gets another gradient than the parameters'."""

    @one_kernel
    def update(self, backend, data, grad, state):
        backend.sgd_update(data, grad * 2, None, lr=self.lr)


class Overridden(SGD):
    """What it does is not marked as one kernel."""

    def update(self, backend, data, grad, state):
        backend.sgd_update(data, grad, None, lr=-self.lr)


class Stepping(SGD):
    """Does more than its updates."""

    def step(self):
        self.lr *= 0.9
        super().step()


def hidden(parameters):
    found = SGD(parameters)
    found.step = lambda: None
    return found


REFUSED = {
    "Doubled updates other arrays than its own": Doubled,
    "Overridden is no update of one kernel": Overridden,
    "Stepping is no update of one kernel": Stepping,
    "SGD is no update of one kernel": hidden,
    "Muon is no update of one kernel": Muon,
    "LBFGS is no update of one kernel": LBFGS,
    "Lookahead is no update of one kernel": lambda p: Lookahead(SGD(p)),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_what_is_refused_is_said(reason):
    with pytest.raises(NotPlanned, match=reason):
        Updates(REFUSED[reason](model().parameters()))
    if REFUSED[reason] is LBFGS:  # which trains a model alone
        return
    part = model().parameters()
    with pytest.raises(NotPlanned, match=reason):
        Updates(JointOptimizer({"a": AdaGrad(part[:2]), "b": REFUSED[reason](part[2:])}))
