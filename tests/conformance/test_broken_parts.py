"""The suite proves itself: each way of breaking an optimizer or a backend is caught."""

import numpy as np
import pytest

import lamina
from lamina.backends.numpy.backend import NumPyBackend
from lamina.optimizers import SGD, AdaGrad
from lamina.testing import (
    CheckError,
    OptimizerCheckError,
    cases,
    check_backend,
    check_optimizer,
)


def caught(kind, match, call):
    with pytest.raises(kind) as info:
        call()
    assert match in str(info.value)
    assert "\n" not in str(info.value)


class WritingGradients(SGD):
    def update(self, backend, data, grad, state):
        grad *= 2
        super().update(backend, data, grad, state)


class Uphill(SGD):
    def update(self, backend, data, grad, state):
        super().update(backend, data, -grad, state)


class OwnMemory(SGD):
    """Keeps its last gradient where state_dict does not see it."""

    def update(self, backend, data, grad, state):
        memory = self.__dict__.setdefault("memory", {})
        data -= self.lr * (grad + memory.get(data.size, 0))
        memory[data.size] = grad.copy()


class WholeNorm(SGD):
    """Takes a norm of each parameter, and so is not elementwise, but says that it is."""

    def update(self, backend, data, grad, state):
        data -= self.lr * grad / np.sqrt(np.sum(grad * grad))


class SharedState(AdaGrad):
    """Hands out its state itself, not a copy."""

    def state_dict(self):
        state = super().state_dict()
        for run in self._runs:
            for parameter, own in run.states():
                state["parameters"][parameter.name] = {
                    name: array.reshape(parameter.shape) for name, array in own.items()
                }
        return state


class FixedRate(SGD):
    def update(self, backend, data, grad, state):
        data -= 0.1 * grad


class Replacing(SGD):
    """Binds a new array where it should write into the old one."""

    def update(self, backend, data, grad, state):
        data = data - self.lr * grad


OPTIMIZERS = {
    WritingGradients: "gradients left alone",
    Uphill: "converges",
    OwnMemory: "continued",
    WholeNorm: "placement",
    SharedState: "continued",
    FixedRate: "learning rate",
    Replacing: "dtypes: weights.0: expected finite weights that changed",
}


@pytest.mark.parametrize("cls", OPTIMIZERS, ids=lambda cls: cls.__name__)
def test_broken_optimizer(cls):
    skip = ["frozen"] if cls in (WholeNorm, OwnMemory) else []
    if cls is OwnMemory:
        skip.append("placement")
    match = f"{cls.__name__}(lr=0.1): {OPTIMIZERS[cls]}"
    caught(OptimizerCheckError, match, lambda: check_optimizer(lambda p: cls(p, lr=0.1), skip=skip))


def test_an_optimizer_that_says_it_is_not_elementwise_passes():
    class Normed(WholeNorm):
        elementwise = False

    # It circles around the goal, a step away.
    check_optimizer(lambda p: Normed(p, lr=0.01))


def test_frozen_parameters_that_step(monkeypatch):
    from lamina.optimization import pieces as runs

    original = runs.Run.pieces

    def pieces(self):
        frozen = [parameter for parameter in self.parameters if not parameter.trainable]
        for parameter in frozen:
            parameter.trainable = True
        found = list(original(self))
        for parameter in frozen:
            parameter.trainable = False
        return found

    monkeypatch.setattr(runs.Run, "pieces", pieces)
    caught(OptimizerCheckError, "frozen: weights.0, not trainable", lambda: check_optimizer(SGD))


def doubled(method):
    """Return a kernel's method that gives twice what it should."""

    def twice(self, *arguments, **options):
        result = getattr(NumPyBackend, method)(self, *arguments, **options)
        return tuple(2 * part for part in result) if isinstance(result, tuple) else 2 * result

    return twice


BACKENDS = {
    "copy": {"copy": lambda self, array: array},
    "all_finite": {"all_finite": lambda self, array: True},
    "last_step": {"last_step": lambda self, array, lengths: array[:, -1, :]},
    "clip_value": {"clip_value": lambda self, array, limit: None},
    "relu": {"relu_forward": lambda self, x: (abs(x), x), "relu_backward": NumPyBackend.relu_backward},
    "adagrad_update": {"adagrad_update": lambda self, parameter, gradient, accumulator, **options: None},
    "one half of a pair": {"relu_backward": NumPyBackend.tanh_backward},
    **{
        kernel: {
            f"{kernel}_forward": lambda self, *arguments, kernel=kernel, **options: getattr(
                NumPyBackend, f"{kernel}_forward"
            )(self, *arguments, **options),
            f"{kernel}_backward": doubled(f"{kernel}_backward"),
        }
        for kernel in ("dense", "mean_squared_error", "sigmoid", "simple_rnn", "softmax", "softmax_cross_entropy")
    },
}


@pytest.mark.parametrize("name", BACKENDS)
def test_broken_backend(name, monkeypatch):
    cls = type("Broken", (NumPyBackend,), {"name": "broken", **BACKENDS[name]})
    lamina.register_backend("broken", cls)
    # The registry's cases of the broken part first: those before it pass, and are proven to elsewhere.
    every = [*cases.layer_cases(), *cases.loss_cases(), *cases.optimizer_cases()]
    part = name.replace("_", "")
    every.sort(key=lambda case: not part.startswith(case.name.partition("-")[0].lower()))
    monkeypatch.setattr(cases, "layer_cases", lambda: every)
    for kind in ("loss_cases", "optimizer_cases"):
        monkeypatch.setattr(cases, kind, tuple)
    caught(CheckError, "backend 'broken': ", lambda: check_backend("broken"))
