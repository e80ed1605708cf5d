"""Compare a model with its PyTorch twin: what it gives, its gradients, and its weights after some steps."""

import numpy as np

from lamina.core.lengths import lengths_after
from lamina.core.shapes import as_tuple
from lamina.kinds.random import fixed_draws
from tests.parity.twin import Twin, padded, rounded
from tests.parity.twin_losses import Projection

__all__ = ["compare_outputs", "compare_steps", "compare_training", "losses_of"]


def losses_of(model, outputs, lengths, loss, target, mask=None):
    """Return the sum of the outputs' losses, and the gradient of each output."""
    pairs = zip(loss, target, strict=True) if isinstance(loss, tuple) else [(loss, target)]
    after = lengths_after(model, lengths)
    after = after if isinstance(after, tuple) else (after,) * len(outputs)
    total, gradients = 0.0, [np.zeros_like(y) for y in outputs]
    for place, (y, own, (one, wanted)) in enumerate(zip(outputs, after, pairs, strict=isinstance(loss, tuple))):
        if isinstance(one, Projection):
            total, gradients[place] = total + (y * wanted).sum(), wanted
        elif one is not None:
            options = {} if mask is None else {"mask": mask}
            value, saved = one.forward_on(model.backend, y, wanted, lengths=own, **options)
            total, gradients[place] = total + float(value), one.backward(saved)
    return total, gradients


def forward_backward(model, inputs, lengths, loss, target, mask=None, draws=0, **options):
    """Return the loss, and the gradient of each input."""
    model.zero_grad()
    with fixed_draws(draws):
        y, saved = model.forward(*inputs, lengths=lengths)
    value, gradients = losses_of(model, as_tuple(y), lengths, loss, target, mask)
    dx = model.backward(tuple(gradients) if isinstance(y, tuple) else gradients[0], saved, **options)
    return value, as_tuple(dx)


def compare_outputs(equal, part, model, inputs, lengths=None, tolerance=1e-10):
    """Compare what a model gives outside of training, zeros past each row's end included."""
    expected = Twin(model).outputs(inputs, lengths)
    outputs = as_tuple(model(*inputs, lengths=lengths))
    for y, rows in zip(outputs, expected, strict=True):
        equal(f"{part}, outputs", y, padded(rows, y.shape), tolerance)


def compare_training(equal, part, model, inputs, lengths, loss, target, mask=None, tolerance=1e-9):
    """Compare the loss, and the gradients of all parameters and inputs."""
    expected = Twin(model).training(inputs, lengths, loss, target, mask)
    value, dx = forward_backward(model, inputs, lengths, loss, target, mask)
    equal(f"{part}, loss", np.float64(value), np.float64(expected.losses[0]), tolerance)
    for name, parameter in model.named_parameters().items():
        equal(f"{part}, gradients", parameter.read_grad(), expected.gradients[name], tolerance)
    given = [gradient for x, gradient in zip(inputs, expected.inputs, strict=True) if x is not None]
    for own, other in zip(dx, given, strict=True):
        assert (own is None) == (other is None), part
        if other is not None:
            equal(f"{part}, input gradients", own, other, tolerance)


def compare_steps(equal, part, model, inputs, lengths, loss, target, optimizer, steps=3, rates=None, tolerance=1e-6):
    """Compare all weights after some steps, and return how many, and how many there are.

    Those whose gradient is a matter of rounding are left out.
    """
    compared = every = 0
    expected = Twin(model).train(inputs, lengths, loss, target, optimizer, steps, rates=rates)
    for step in range(steps):
        value, _ = forward_backward(model, inputs, lengths, loss, target, draws=step, input_gradient=False)
        equal(f"{part}, loss of steps", np.float64(value), np.float64(expected.losses[step]), tolerance)
        own = {name: parameter.read_grad() for name, parameter in model.named_parameters().items()}
        for name, where in rounded(own).items():  # to either of them
            expected.rounded[name] |= where
        if rates is not None:
            optimizer.lr = rates[step]
        optimizer.step()
    noise = max(
        float(np.abs(parameter.numpy() - expected.weights[name])[expected.rounded[name]].max(initial=0.0))
        for name, parameter in model.named_parameters().items()
    )
    for name, parameter in model.named_parameters().items():
        clear = ~expected.rounded[name]
        compared, every = compared + int(clear.sum()), every + clear.size
        # A bias below a `BatchNorm` has no gradient but rounding's, and moves the running mean as it moves.
        own = tolerance if parameter.trainable else tolerance + 2 * noise
        equal(f"{part}, weights", parameter.numpy()[clear], expected.weights[name][clear], own)
    return compared, every
