"""The suite proves itself: each way of breaking a loss is caught."""

import numpy as np
import pytest

import lamina
from lamina.testing import LossCheckError, check_loss

SHAPE = (5, 4, 3)


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


class OneSlopeOfNothing(Squares):
    """Gives one element a gradient where nothing counts."""

    def pull(self, saved):
        gradient = super().pull(saved)
        gradient.flat[0] += not saved[0].any()
        return gradient


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
    OneSlopeOfNothing: "nothing counts: with a mask of zeros: expected a loss and gradient of 0, got 0",
    LossByLayout: "memory layout: loss, in Fortran order: ",
    GradientByLayout: "memory layout: gradient, in Fortran order: ",
}


def test_a_sound_loss_passes():
    assert set(check_loss(Squares(), SHAPE).skipped) == {"configuration"}


@pytest.mark.parametrize("cls", LOSSES, ids=lambda cls: cls.__name__)
def test_broken_loss(cls):
    with pytest.raises(LossCheckError) as info:
        check_loss(cls(), SHAPE)
    assert LOSSES[cls] in str(info.value)
    assert "\n" not in str(info.value)


def test_the_worst_error_of_a_loss_is_that_of_the_way_with_the_largest():
    class OffUnderAMask(Squares):
        def pull(self, saved):
            gradient = super().pull(saved)
            return gradient if saved[0].all() else gradient * 1.001

    # Two that are off by a thousandth are so alone, and against each other.
    report = check_loss(OffUnderAMask(), SHAPE, tolerance=0.01, skip=["left out"])
    assert report.worst_error == pytest.approx(0.001, rel=0.01)
