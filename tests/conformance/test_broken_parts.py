"""The suite proves itself: each way of breaking a loss, an optimizer or a backend is caught."""

import numpy as np
import pytest

import lamina
from lamina.backends.numpy.backend import NumPyBackend
from lamina.optimizers import SGD, AdaGrad
from lamina.testing import (
    CheckError,
    LossCheckError,
    OptimizerCheckError,
    cases,
    check_backend,
    check_loss,
    check_optimizer,
)

SHAPE = (5, 4, 3)


def caught(kind, match, call):
    with pytest.raises(kind) as info:
        call()
    assert match in str(info.value)
    assert "\n" not in str(info.value)


class Squares(lamina.Loss):
    """The weighted mean of squares, right; what is below breaks one thing each."""

    def forward(self, prediction, target, lengths=None, mask=None):
        return self.run(prediction, target, lengths, mask)

    def backward(self, saved):
        return self.pull(saved)

    def run(self, prediction, target, lengths, mask):
        backend = lamina.get_backend("numpy")
        shape = prediction.shape[:-1]
        weight = self.step_weights(backend, shape, prediction.dtype, lengths, mask).reshape(*shape, 1)
        error = np.where(weight == 0, 0, prediction - target).astype(prediction.dtype)
        return (weight * error * error).sum(), (weight, error)

    def pull(self, saved):
        weight, error = saved
        return 2 * weight * error


class AllSteps(Squares):
    """Divides by all steps, not by those that count."""

    def step_weights(self, backend, shape, dtype, *arguments):
        weights = super().step_weights(backend, shape, dtype, *arguments)
        return weights * np.mean(weights != 0, dtype=dtype)


class WithoutMask(Squares):
    def run(self, prediction, target, lengths, mask):
        return super().run(prediction, target, lengths, None)


class HalfGradient(Squares):
    def pull(self, saved):
        return super().pull(saved) / 2


class WritingPrediction(Squares):
    def run(self, prediction, *arguments):
        prediction -= 0
        return super().run(prediction, *arguments)


class NotANumber(Squares):
    """Lets through what stands at a step left out."""

    def run(self, prediction, target, lengths, mask):
        number, (weight, _) = super().run(prediction, target, lengths, mask)
        return number, (weight, (prediction - target).astype(prediction.dtype))


class OneBuffer(Squares):
    def pull(self, saved):
        gradient = super().pull(saved)
        buffer = self.__dict__.setdefault("buffer", {}).setdefault(gradient.dtype, np.empty_like(gradient))
        buffer[...] = gradient
        return buffer


class Sum(Squares):
    def run(self, prediction, *arguments):
        number, saved = super().run(prediction, *arguments)
        return np.atleast_1d(number), saved


class OneMoreAxis(Squares):
    def pull(self, saved):
        return super().pull(saved)[None]


class ReadingTargets(Squares):
    """Lets what stands in the target at a step left out into the loss, and not into the gradient."""

    def run(self, prediction, target, *arguments):
        number, saved = super().run(prediction, target, *arguments)
        return number + 0 * target.sum(dtype=prediction.dtype), saved


class OneOfNothing(Squares):
    """Gives a loss where nothing counts."""

    def run(self, *arguments):
        number, (weight, error) = super().run(*arguments)
        return number if weight.any() else number + 1, (weight, error)


class OneOfNoSteps(OneOfNothing):
    """The same, of a loss that takes lengths alone."""

    def forward(self, prediction, target, lengths=None):
        return self.run(prediction, target, lengths, None)


class LossByLayout(Squares):
    """Gives a loss that depends on how the prediction lies in memory."""

    def run(self, prediction, *arguments):
        number, saved = super().run(prediction, *arguments)
        return number if prediction.flags.c_contiguous else number * 2, saved


class GradientByLayout(Squares):
    def run(self, prediction, *arguments):
        number, (weight, error) = super().run(prediction, *arguments)
        return number, (weight, error if prediction.flags.c_contiguous else error * 2)


LOSSES = {
    AllSteps: "left out: loss with mask, against the steps that count alone",
    WithoutMask: "left out: with mask",
    HalfGradient: "gradients: with nothing left out: gradient of prediction",
    WritingPrediction: "expected arguments to be left alone",
    NotANumber: "left out: with mask: gradient changed by inf where nan is left out",
    OneBuffer: "read-only: gradient, after another call",
    Sum: "dtypes: expected a 0-d loss, got shape (1,)",
    OneMoreAxis: "dtypes: expected a gradient (5, 4, 3), got (1, 5, 4, 3)",
    ReadingTargets: "left out: with mask: loss changed by inf where nan is left out",
    OneOfNothing: "nothing counts: with a mask of zeros: expected a loss and gradient of 0, got 1",
    OneOfNoSteps: "nothing counts: with lengths of zeros: expected a loss and gradient of 0, got 1",
    LossByLayout: "memory layout: loss, in Fortran order: ",
    GradientByLayout: "memory layout: gradient, in Fortran order: ",
}


def test_a_sound_loss_passes():
    assert set(check_loss(Squares(), SHAPE).skipped) == {"configuration"}


@pytest.mark.parametrize("cls", LOSSES, ids=lambda cls: cls.__name__)
def test_broken_loss(cls):
    caught(LossCheckError, LOSSES[cls], lambda: check_loss(cls(), SHAPE))


def test_the_worst_error_of_a_loss_is_that_of_the_way_with_the_largest():
    class OffUnderAMask(Squares):
        def pull(self, saved):
            gradient = super().pull(saved)
            return gradient if saved[0].all() else gradient * 1.001

    # Two that are off by a thousandth are so alone, and against each other.
    report = check_loss(OffUnderAMask(), SHAPE, tolerance=0.01, skip=["left out"])
    assert report.worst_error == pytest.approx(0.001, rel=0.01)


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
