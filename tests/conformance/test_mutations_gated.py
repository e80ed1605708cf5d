"""The suite proves itself: each piece of the LSTM's and the GRU's kernels, broken, is caught by a check.

A piece of a kernel's source is replaced, in the generic kernel and in NumPy's. Their comparison is left out, which
would catch anything: the other checks must see it on their own, as they must where the generic kernel is wrong.
"""

import pytest

from lamina.backends.generic.extended_simple_rnn import ExtendedSimpleRNNKernels
from lamina.backends.generic.gru import GRUKernels
from lamina.backends.generic.layer_norm_gru import LayerNormGRUKernels
from lamina.backends.generic.layer_norm_lstm import LayerNormLSTMKernels
from lamina.backends.generic.lstm import LSTMKernels
from lamina.backends.generic.scan import ScanKernels
from lamina.backends.numpy.gru import NumPyGRUKernels
from lamina.backends.numpy.lstm import NumPyLSTMKernels

NO_LENGTHS = "reading_order(batch, time, None, reverse)"
LATE = "reading_order(batch, time, None if lengths is None else np.minimum(lengths + 1, time), reverse)"
ORDER = "reading_order(batch, time, lengths, reverse)"

# What is broken: the piece of the source, what it becomes, and what must see it (the check of gradients if not said).
SCAN = {
    "mask off": ("valid = self.valid_steps(lengths, time)", "valid = None", "gradients, ragged"),
    "mask one step late": ("self.valid_steps(lengths, time)", "self.valid_steps(lengths + 1, time)"),
    "state not frozen": ("xp.where(valid[:, t][:, None], new, old) for", "new for", "gradients, ragged"),
    "output past the end": ("self.zero_past(stacked, lengths)", "stacked", "padding"),
}
SCAN_BACKWARD = {
    "dh past the end": ("xp.where(inside, gradient, zero) for", "gradient for"),
    "last gradient not carried": ("xp.where(inside, new, old) for", "new for"),
    "dstates dropped": ("carried = tuple(dstates)", "carried = tuple(0 * own for own in dstates)"),
}
LSTM_FORWARD = {
    "last state off by one": ("return outputs, (h, c)", "return outputs, (outputs[:, -2, :], c)"),
}
LSTM_BACKWARD = {
    "sign of i": ("dcell * g * i * (1 - i)", "-dcell * g * i * (1 - i)"),
    "sign of f": ("dcell * cell * f * (1 - f)", "-dcell * cell * f * (1 - f)"),
    "sign of g": ("dcell * i * (1 - g * g)", "-dcell * i * (1 - g * g)"),
    "sign of o": ("dnew * squashed * o * (1 - o)", "-dnew * squashed * o * (1 - o)"),
    "dc not carried": ("dcell * f)", "0 * dcell)"),
    "dh not carried": ("self.matmul(da, w_h.T)", "0 * dnew"),
    "dc through h dropped": ("dcell = dcell + dnew * o * (1 - squashed * squashed)", "pass"),
    "slope of tanh c": ("(1 - squashed * squashed)", "1"),
    "db of one gate": (
        "dx, dw_x, dw_h, db,",
        "dx, dw_x, dw_h, xp.where(xp.arange(4 * units) < units, 0, db),",
        "gradient of b",
    ),
    "dw_h of the step after": ("taken.T", "(o * squashed).T", "gradient of w_h"),
}
LSTM_EXTENDED_FORWARD = {
    "mask of the state off": ("self.masked(states[0], state_mask)", "states[0]"),
}
LSTM_EXTENDED_BACKWARD = {
    "mask of the state off, back": ("self.masked(self.matmul(da, w_h.T), state_mask)", "self.matmul(da, w_h.T)"),
    "projection ignored": ("dnew = self.matmul(dnew, w_p.T)", "dnew = 0 * self.matmul(dnew, w_p.T)"),
    "dw_p of the cell": ("(o * squashed).T, dnew", "squashed.T, dnew", "gradient of w_p"),
}
LAYER_NORM_LSTM_FORWARD = {
    "mask of the state off": ("self.masked(states[0], state_mask)", "states[0]"),
    "last state off by one": ("return outputs, (h, c)", "return outputs, (outputs[:, -2, :], c)"),
    "the normalized cell carried on": ("(o * squashed, new), (", "(o * squashed, normalized), ("),
    "scale_c ignored": ("(new, scale_c, shift_c", "(new, None, shift_c"),
}
LAYER_NORM_LSTM_BACKWARD = {
    "dc through h dropped": ("dcell = dcell + through", "pass"),
    "sign of f": ("dcell * cell * f * (1 - f)", "-dcell * cell * f * (1 - f)"),
    "sums not normalized": (
        "dproduct, dscale_h, _ = self.layer_norm_backward(da, sums, scale_h)",
        "dproduct, dscale_h = da, self.layer_norm_backward(da, sums, scale_h)[1]",
    ),
    "inputs not normalized": ("self.dense_backward(dprojected,", "self.dense_backward(da,"),
    "dscale_x of the sums": (
        "dscale_x, *dscales, dfirst",
        "dscales[0], *dscales, dfirst",
        "gradient of scale_x",
    ),
    "dshift_c without the gate": ("dscale_c, dshift_c\n", "dscale_c, 2 * dshift_c\n", "gradient of shift_c"),
    "mask of the state off, back": (
        "self.masked(self.matmul(dproduct, w_h.T), state_mask)",
        "self.matmul(dproduct, w_h.T)",
    ),
}
LAYER_NORM_GRU_FORWARD = {
    "mask of the state off": ("self.masked(before, state_mask)", "before"),
    "last state off by one": ("return outputs, last,", "return outputs, outputs[:, -2, :],"),
    "reset gate ignored": ("r * product)", "product)"),
}
LAYER_NORM_GRU_BACKWARD = {
    "sign of r": ("dr = dn * product * r * (1 - r)", "dr = -dn * product * r * (1 - r)"),
    "sign of z": ("dnew * (before - n) * z", "dnew * (n - before) * z"),
    "reset gate ignored": ("xp.concat([dgates, dn * r], axis=-1)", "xp.concat([dgates, dn], axis=-1)"),
    "db_h outside of the reset gate": ("xp.sum(dn * r, axis=0)", "xp.sum(dn, axis=0)", "gradient of b_h"),
    "z not carried": ("dnew * z + self.masked", "0 * dnew + self.masked"),
    "inputs not normalized": ("self.dense_backward(dprojected,", "self.dense_backward(da,"),
}
LAYER_NORM_GRU_PARTS = {
    "the candidate not normalized": (
        "dnew, dscale_b, _ = self.layer_norm_backward(db, saved[1], scale_b)",
        "dnew, dscale_b = db, self.layer_norm_backward(db, saved[1], scale_b)[1]",
    ),
    "scale of r and z ignored": (
        "self.layer_norm_backward(da, saved[0], scale_a)",
        "self.layer_norm_backward(da, saved[0], None)",
    ),
}
SIMPLE_RNN_EXTENDED_BACKWARD = {
    "mask of the state off, back": ("self.masked(self.matmul(da, w_h.T), state_mask)", "self.matmul(da, w_h.T)"),
}
GRU_EXTENDED_BACKWARD = {
    "mask of the state off, back": ("self.masked(dtaken, state_mask)", "dtaken"),
}
NUMPY_LSTM_FORWARD = {
    "mask off": (ORDER, NO_LENGTHS, "padding"),
    "mask one step late": (ORDER, LATE, "padding"),
    "last state off by one": ("last = order.last(hidden)", "last = hidden[-2 * batch : -batch].copy()"),
}
NUMPY_LSTM_BACKWARD = {
    **{
        f"sign of {gate}": ("da = slopes[:4]", f"da = slopes[:4]; da[{index}] *= -1", "gradients: gradient of input")
        for index, gate in enumerate("gifo")
    },
    "dc_last dropped": ("self.carried(order, dc_last,", "self.carried(order, None,"),
    "db of one gate": (
        "dw[-1])), dfirst",
        "np.where(np.arange(4 * units) < units, 0, dw[-1]))), dfirst",
        "gradient of b",
    ),
    "dw_h of the step after": ("run.before(hidden).reshape", "run.after(hidden).reshape", "gradient of w_h"),
}
NUMPY_LSTM_STEPS_BACKWARD = {
    "dc not carried": ("multiply(dc, forget", "multiply(dc, 0 * forget"),
    "dh not carried": ("dot(beside, w_state_back, dh)", "dh[...] = 0"),
    "dc through h dropped": ("add(dc, dc_by_h, out=dc)", "pass"),
}
GRU_FORWARD = {
    "reset gate ignored": ("n = xp.tanh(a[:, 2 * units :] + r * product)", "n = xp.tanh(a[:, 2 * units :] + product)"),
    "reset gate ignored, before": ("product = r * taken", "product = taken"),
    "last state off by one": ("return outputs, last,", "return outputs, outputs[:, -2, :],"),
}
GRU_BACKWARD = {
    "sign of r": ("dr = dn * product * r * (1 - r)", "dr = -dn * product * r * (1 - r)"),
    "sign of r, before": ("dr = dproduct * taken * r * (1 - r)", "dr = -dproduct * taken * r * (1 - r)"),
    "sign of z": ("dnew * (before - n) * z", "dnew * (n - before) * z"),
    "sign of n": ("dnew * (1 - z) * (1 - n * n)", "-dnew * (1 - z) * (1 - n * n)"),
    "reset gate ignored": ("dproduct = dn * r", "dproduct = dn"),
    "reset gate ignored, before": ("dtaken = dproduct * r", "dtaken = dproduct"),
    "z not carried": ("dnew * z + self.masked", "0 * dnew + self.masked"),
    "db of one gate": ("db, db_h, dfirst", "xp.where(xp.arange(3 * units) < units, 0, db), db_h, dfirst"),
    "db_h outside of the reset gate": ("xp.sum(dproduct, axis=0)", "xp.sum(dn, axis=0)", "gradient of b_h"),
    "dw_h without the reset gate": ("self.matmul(product.T, dn)", "self.matmul(before.T, dn)"),
}
NUMPY_GRU_FORWARD = {
    "mask off": (ORDER, NO_LENGTHS, "padding"),
    "mask one step late": (ORDER, LATE, "padding"),
    "last state off by one": ("order.last(hidden), saved", "hidden[-2 * batch : -batch].copy(), saved"),
}
NUMPY_GRU_STEPS = {
    "reset gate ignored": ("multiply(r, reset, out=of_new)", "of_new[...] = reset"),
    "reset gate ignored, before": ("multiply(r, before, out=reset)", "reset[...] = before"),
}
NUMPY_GRU_BACKWARD = {
    **{
        f"sign of {gate}": ("part = np.matmul(slopes[:3]", f"slopes[{index}] *= -1; part = np.matmul(slopes[:3]")
        for index, gate in enumerate("nrz")
    },
    "db of one gate": ("dw[-1], db_h", "np.where(np.arange(3 * units) < units, 0, dw[-1]), db_h"),
    "db_h outside of the reset gate": ("reduce(slopes[3], axis=0)", "reduce(slopes[0], axis=0)", "gradient of b_h"),
    "dw_h without the reset gate": ("add_product(dw_state[2:], resets", "add_product(dw_state[2:], sources"),
    "dstate dropped": ("self.carried(order, dstate,", "self.carried(order, None,"),
}
NUMPY_GRU_STEPS_BACKWARD = {
    "reset gate ignored": ("multiply(by_new, r, out=by_product)", "by_product[...] = by_new"),
    "reset gate ignored, before": ("multiply(through_new, r", "multiply(through_new, 1 + 0 * r"),
    "z not carried": ("multiply(dh, z", "multiply(dh, 0 * z"),
}
TABLES = (
    ("LSTM", "reference", ScanKernels, "scan_forward", SCAN),
    ("LSTM", "reference", ScanKernels, "scan_backward", SCAN_BACKWARD),
    ("LSTM", "reference", LSTMKernels, "extended_lstm_forward", LSTM_FORWARD),
    ("LSTM", "reference", LSTMKernels, "extended_lstm_backward", LSTM_BACKWARD),
    ("LSTM", "numpy", LSTMKernels, "extended_lstm_forward", LSTM_EXTENDED_FORWARD),
    ("LSTM", "numpy", LSTMKernels, "extended_lstm_backward", LSTM_EXTENDED_BACKWARD),
    ("SimpleRNN", "numpy", ExtendedSimpleRNNKernels, "extended_simple_rnn_backward", SIMPLE_RNN_EXTENDED_BACKWARD),
    ("GRU", "numpy", GRUKernels, "extended_gru_backward", GRU_EXTENDED_BACKWARD),
    ("LayerNormLSTM", "numpy", LayerNormLSTMKernels, "layer_norm_lstm_forward", LAYER_NORM_LSTM_FORWARD),
    ("LayerNormLSTM", "reference", LayerNormLSTMKernels, "layer_norm_lstm_backward", LAYER_NORM_LSTM_BACKWARD),
    ("LayerNormGRU", "numpy", LayerNormGRUKernels, "layer_norm_gru_forward", LAYER_NORM_GRU_FORWARD),
    ("LayerNormGRU", "reference", LayerNormGRUKernels, "layer_norm_gru_backward", LAYER_NORM_GRU_BACKWARD),
    ("LayerNormGRU", "reference", LayerNormGRUKernels, "_back_through_parts", LAYER_NORM_GRU_PARTS),
    ("LSTM", "numpy", NumPyLSTMKernels, "lstm_forward", NUMPY_LSTM_FORWARD),
    ("LSTM", "numpy", NumPyLSTMKernels, "lstm_backward", NUMPY_LSTM_BACKWARD),
    ("LSTM", "numpy", NumPyLSTMKernels, "run_lstm_steps_back", NUMPY_LSTM_STEPS_BACKWARD),
    ("GRU", "reference", GRUKernels, "extended_gru_forward", GRU_FORWARD),
    ("GRU", "reference", GRUKernels, "extended_gru_backward", GRU_BACKWARD),
    ("GRU", "numpy", NumPyGRUKernels, "gru_forward", NUMPY_GRU_FORWARD),
    ("GRU", "numpy", NumPyGRUKernels, "run_gru_steps", NUMPY_GRU_STEPS),
    ("GRU", "numpy", NumPyGRUKernels, "gru_backward", NUMPY_GRU_BACKWARD),
    ("GRU", "numpy", NumPyGRUKernels, "run_gru_steps_back", NUMPY_GRU_STEPS_BACKWARD),
)
MUTATIONS = [
    pytest.param(cls, backend, owner, method, change, id=f"{method}, {backend}: {name}")
    for cls, backend, owner, method, table in TABLES
    for name, change in table.items()
]


@pytest.mark.parametrize(("cls", "backend", "owner", "method", "change"), MUTATIONS)
def test_broken_kernel(mutate, failure, cls, backend, owner, method, change):
    old, new, *match = change
    mutate(owner, method, old, new)
    assert (match or ["gradients"])[0] in failure(cls, backend)


@pytest.mark.parametrize("cls", ["LSTM", "GRU", "LayerNormLSTM", "LayerNormGRU"])
@pytest.mark.parametrize("backend", ["numpy", "reference"])
def test_unbroken_passes(unbroken, cls, backend):
    assert unbroken(cls, backend) == "nothing failed"
