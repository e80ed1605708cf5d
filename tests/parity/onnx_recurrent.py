"""ONNX's recurrent layers, running sums, causal convolutions and rotary embeddings, said with Lamina."""

import numpy as np

import lamina
from lamina import layers
from tests.parity.onnx_said import Unsaid, compose, run, says

# Where each of Lamina's gates stands in ONNX's parameters.
_PARTS = {
    "RNN": (layers.SimpleRNN, (0,), {}),
    "LSTM": (layers.LSTM, (0, 2, 3, 1), {}),
    "GRU": (layers.GRU, (1, 0, 2), {"reset_after": False}),
}


def _in_order(parameter, order):
    """Return an ONNX parameter (gates units, ...) with its gates in Lamina's order, the units last."""
    parts = np.split(parameter, len(order))
    return np.concatenate([parts[place] for place in order]).T


@says("GRU", "LSTM", "RNN")
def _recurrent(x, w, r, b=None, lengths=None, *states, case):
    if any(state is not None for state in states[2:]):
        raise Unsaid("peepholes: a Cell of one's own, in examples/peepholes.py")
    if any(state is not None and state.any() for state in states):
        raise Unsaid("initial states")
    cls, order, options = _PARTS[case.operator]
    batch_first, direction = case.get("layout", 0), case.get("direction", "forward")
    x = x if batch_first else x.swapaxes(0, 1)
    options = options | {"return_sequences": True, "return_state": True}
    layer = cls(case["hidden_size"], **options, go_backwards=direction == "reverse")
    if direction == "bidirectional":
        layer = lamina.Bidirectional(layer)
    weights = {}
    for path, own in zip(("forward.", "backward.") if len(w) > 1 else ("",), range(len(w)), strict=True):
        bias = np.zeros(2 * w.shape[1], x.dtype) if b is None else b[own]
        weights |= {
            path + "w_x": _in_order(w[own], order),
            path + "w_h": _in_order(r[own], order),
            path + "b": _in_order(sum(np.split(bias, 2)), order),
        }
    y, *last = run(layer, x, weights=weights, lengths=lengths)
    y = np.stack(np.split(y, len(w), axis=-1), axis=2)  # (batch, time, directions, units)
    kinds = len(last) // len(w)
    last = [np.stack(last[kind::kinds], axis=1) for kind in range(kinds)]  # (batch, directions, units)
    if not batch_first:
        y, last = y.transpose(1, 2, 0, 3), [one.swapaxes(0, 1) for one in last]
    return [y, *last]


class _Running(lamina.Cell):
    """The sum of what came, or the product."""

    def __init__(self, product):
        self.product, self.units = product, 1

    def build(self, x, h):
        return h

    def forward(self, x, h):
        return (x * h if self.product else x + h), (x, h)

    def backward(self, dh, saved):
        return (dh * saved[1], dh * saved[0]) if self.product else (dh, dh)


@says("CumProd", "CumSum", own=True)
def _running(x, axis, *, case):
    product = case.operator == "CumProd"
    moved = np.moveaxis(x, int(axis), -1)
    steps = moved.reshape(-1, x.shape[int(axis)], 1)
    start = np.full((len(steps), 1), float(product), x.dtype)
    layer = lamina.Recurrent(_Running(product), return_sequences=True, go_backwards=bool(case.get("reverse", 0)))

    def running(t, own, v, before):
        y = t(own.layer, v, before)
        if not case.get("exclusive", 0):
            return y
        return y / v if product else y - v

    y = compose(running, steps, start, layer=layer)
    return [np.moveaxis(y.reshape(moved.shape), -1, int(axis))]


@says("ReverseSequence")
def _reversed(x, lengths, *, case):
    rest = np.moveaxis(x, (case["batch_axis"], case["time_axis"]), (0, 1))[..., None]
    if (lengths < rest.shape[1]).any():
        raise Unsaid("what stands past a row's end is kept: in Lamina it is 0")
    y = run(layers.Slice(step=-1), rest, lengths=lengths)[..., 0]
    return [np.moveaxis(y, (0, 1), (case["batch_axis"], case["time_axis"]))]


@says("CausalConvWithState")
def _causal_convolution(x, w, b=None, past=None, *, case):
    units, size = len(w), w.shape[-1]
    if size == 1:
        raise Unsaid("a state of no steps as an output")
    weights = {"conv.w": w.transpose(2, 1, 0), "conv.b": np.zeros(units, x.dtype) if b is None else b}
    past = np.zeros((len(x), units, size - 1), x.dtype) if past is None else past
    activation = layers.SiLU() if case.get("activation", "none") in ("silu", "swish") else layers.Rescaling()

    def convolved(t, own, before, v):
        joined = t.concatenate(before, v, axis=1)
        return t(own.activation, t(own.conv, joined)), joined[:, 1 - size :]

    conv = layers.Conv1D(units, size, padding="valid", groups=units)
    given = (past.swapaxes(1, 2), x.swapaxes(1, 2))
    return [y.swapaxes(1, 2) for y in compose(convolved, *given, weights=weights, conv=conv, activation=activation)]


@says("RotaryEmbedding")
def _rotary(x, cos, sin, ids=None, *, case):
    shape = x.shape
    if x.ndim == 3:
        x = x.reshape(*x.shape[:2], case["num_heads"], -1).swapaxes(1, 2)
    _, heads, steps, features = x.shape
    if ids is not None:
        cos, sin = (run(layers.Embedding(*one.shape), ids, weights={"w": one}) for one in (cos, sin))
    half = cos.shape[-1]
    cos, sin = (np.repeat(one, heads, axis=0) for one in (cos, sin))
    interleaved = case.get("interleaved", 0)
    parts = {"pair": layers.Reshape((steps, half, 1)), "flat": layers.Reshape((steps, 2 * half))} if interleaved else {}

    def turned(t, own, v, cos, sin):
        width = 2 * half
        a, b = (v[..., :width:2], v[..., 1:width:2]) if interleaved else (v[..., :half], v[..., half:width])
        real, imaginary = cos * a - sin * b, sin * a + cos * b
        if interleaved:
            y = t(own.flat, t.concatenate(t(own.pair, real), t(own.pair, imaginary)))
        else:
            y = t.concatenate(real, imaginary)
        return t.concatenate(y, v[..., width:]) if width < features else y

    y = compose(turned, x.reshape(-1, steps, features), cos, sin, **parts)
    y = y.reshape(x.shape)
    return [y if len(shape) == 4 else y.swapaxes(1, 2).reshape(shape)]
