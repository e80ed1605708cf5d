"""The suite proves itself: each way of breaking a kernel, or the saved state, is caught.

Kernels are broken without their comparison with the generic ones, which would catch anything: the other checks
must see it on their own, as they must where a generic kernel is wrong.
"""

import numpy as np
import pytest

import lamina
from lamina.backends.numpy.backend import NumPyBackend
from lamina.core.saved_state import SavedState
from lamina.layers import Dense, SimpleRNN
from lamina.losses import MeanSquaredError
from lamina.testing import LayerCheckError, LossCheckError, check_layer, check_loss

SHAPE = (5, 4, 3)


class Kernels(NumPyBackend):
    """The NumPy backend, for a test to break."""

    name = "broken"


@pytest.fixture(autouse=True)
def registered():
    lamina.register_backend("broken", Kernels)


def everything():
    return SimpleRNN(6, return_sequences=True, return_state=True)


def check_everything(backend="numpy", **options):
    return check_layer(everything(), SHAPE, state=(5, 6), backend=backend, **options)


def caught(match, call):
    with pytest.raises((LayerCheckError, LossCheckError)) as info:
        call()
    message = str(info.value)
    assert match in message
    assert "\n" not in message
    return message


# Each function gets the real pair's results, or arguments, and breaks something.


def forward_broken(change):
    def forward(self, *arguments, **options):
        return change(NumPyBackend.simple_rnn_forward(self, *arguments, **options), *arguments)

    return "simple_rnn_forward", forward


def backward_broken(change):
    def backward(self, *arguments, **options):
        return change(list(NumPyBackend.simple_rnn_backward(self, *arguments, **options)), *arguments)

    return "simple_rnn_backward", backward


def with_arguments(change):
    def forward(self, x, w_x, w_h, b, state, lengths, **options):
        x, state, lengths, options = change(x, state, lengths, options)
        return NumPyBackend.simple_rnn_forward(self, x, w_x, w_h, b, state, lengths, **options)

    return "simple_rnn_forward", forward


def negative(index):
    def change(results, *_):
        results[index] = -results[index]
        return results

    return change


def part_of_bias(results, *_):
    results[3][0] = 0
    return results


def scaled_step(results, dh, dstate, saved, w_x, w_h):
    results[0][:, 1] *= 1 + 1e-4  # one step in four, by a little
    return results


def last_of_the_step_before(results, x, *_):
    h, _, saved = results
    return h, h[:, -2].copy(), saved


def last_ignoring_lengths(results, *_):
    h, _, saved = results
    return h, h[:, -1].copy(), saved


def past_the_end(results, *_):
    h, last, saved = results
    h = h.copy()
    h[h == 0] = 1e-3
    return h, last, saved


def full_where_reversed(x, state, lengths, options):
    if options["reverse"] and lengths is not None:
        x = x[:, ::-1]  # the whole row, padding first
        options = {**options, "reverse": False}
    return x, state, lengths, options


def without_state(x, state, lengths, options):
    return x, None, lengths, options


def without_lengths(x, state, lengths, options):
    return x, state, None, options


def longer(x, state, lengths, options):
    return x, state, None if lengths is None else np.minimum(lengths + 1, x.shape[1]), options


def writes_into_x(results, x, *_):
    x *= 1.5
    return results


def writes_into_state(results, x, w_x, w_h, b, state, *_):
    if state is not None:
        state += 1
    return results


def writes_into_dy(results, dh, *_):
    dh += 1
    return results


def in_double(results, *_):
    return [array.astype(np.float64) for array in results]


KERNELS = {
    "sign of dx": (backward_broken(negative(0)), "gradients: gradient of input 0"),
    "sign of dw_x": (backward_broken(negative(1)), "gradients: gradient of w_x"),
    "sign of dw_h": (backward_broken(negative(2)), "gradients: gradient of w_h"),
    "sign of db": (backward_broken(negative(3)), "gradients: gradient of b"),
    "sign of dstate": (backward_broken(negative(4)), "gradients: gradient of input 1"),
    "one bias gradient": (backward_broken(part_of_bias), "gradients: gradient of b"),
    "one step of dx by 1e-4": (backward_broken(scaled_step), "gradients: gradient of input 0"),
    "mask off": (with_arguments(without_lengths), "padding"),
    "mask one step late": (with_arguments(longer), "padding"),
    "output past the end": (forward_broken(past_the_end), "padding: output 0"),
    "last state off by one": (forward_broken(last_of_the_step_before), "gradients"),
    "last state ignores lengths": (forward_broken(last_ignoring_lengths), "gradients, ragged"),
    "initial state ignored": (with_arguments(without_state), "gradients: gradient of input 1"),
    "write into x": (forward_broken(writes_into_x), "a write into one"),
    "write into the state": (forward_broken(writes_into_state), "a write into one"),
    "write into dy": (backward_broken(writes_into_dy), "a write into one"),
    "float64 in a float32 model": (backward_broken(in_double), "dtypes: dx 0"),
}


@pytest.mark.parametrize("name", KERNELS)
def test_broken_kernel(name, monkeypatch):
    (method, function), match = KERNELS[name]
    monkeypatch.setattr(Kernels, method, function, raising=False)
    backend = Kernels()
    message = caught(match, lambda: check_everything(backend, skip=["generic kernel", "errors"]))
    assert message.startswith("SimpleRNN(6, return_sequences=True, return_state=True): ")
    # And by comparison alone: all but those which never reach the numbers.
    if "write" not in name and "float64" not in name:
        others = set(check_everything().passed) - {"generic kernel"}
        caught("generic kernel", lambda: check_everything(backend, skip=others))


@pytest.mark.parametrize("check", ["padding", "row alone"])
def test_reverse_that_ignores_lengths(check, monkeypatch):
    monkeypatch.setattr(Kernels, *with_arguments(full_where_reversed), raising=False)
    layer = SimpleRNN(6, go_backwards=True, return_sequences=True)
    passed = set(check_layer(layer, SHAPE).passed)
    caught(check, lambda: check_layer(layer, SHAPE, backend=Kernels(), skip=passed - {check}))


def test_unbroken_passes():
    check_everything(Kernels())
    check_layer(SimpleRNN(6, go_backwards=True, return_sequences=True), SHAPE, backend=Kernels())


# The saved state.


def test_saved_state_used_twice(monkeypatch):
    def take(self, owner, gradient=None):
        return self._content

    monkeypatch.setattr(SavedState, "take", take)
    caught("saved state", lambda: check_layer(Dense(6), SHAPE, skip=["errors"]))
    caught("saved state", lambda: check_loss(MeanSquaredError(), SHAPE))


def test_saved_state_that_is_not_reset(monkeypatch):
    original = SavedState.take

    def take(self, owner, gradient=None):
        content = self._content
        result = original(self, owner, gradient)
        self._content = content
        return result

    monkeypatch.setattr(SavedState, "take", take)
    caught("expected what was saved to be freed", lambda: check_layer(Dense(6), SHAPE))
    caught("expected what was saved to be freed", lambda: check_loss(MeanSquaredError(), SHAPE))
