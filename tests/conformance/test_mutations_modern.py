"""The suite proves itself: pieces of the kernels of MinGRU, MinLSTM, IndRNN, LRU and sLSTM, broken, are caught.

As in test_mutations_gated: in the generic kernel and in NumPy's, without their comparison.
"""

import pytest

from lamina.backends.generic.ind_rnn import IndRNNKernels
from lamina.backends.generic.lru import LRUKernels
from lamina.backends.generic.min_rnn import MinRNNKernels
from lamina.backends.generic.slstm import SLSTMKernels
from lamina.backends.numpy.ind_rnn import NumPyIndRNNKernels
from lamina.backends.numpy.lru import NumPyLRUKernels
from lamina.backends.numpy.min_rnn import NumPyMinRNNKernels
from lamina.backends.numpy.slstm import NumPySLSTMKernels

ORDER = "reading_order(batch, time, lengths, reverse)"
NO_LENGTHS = "reading_order(batch, time, None, reverse)"

# What is broken: the piece of the source, what it becomes, and what must see it (the check of gradients if not said).
TABLES = (
    ("MinGRU", "reference", MinRNNKernels, "min_gru_backward", {"sign of z": ("[-dkeep, ", "[dkeep, ")}),
    (
        "MinLSTM",
        "reference",
        MinRNNKernels,
        "min_lstm_backward",
        {"slope of i": ("-dkeep * not_i", "-dkeep"), "slope of f": ("dkeep * not_f", "dkeep * not_i")},
    ),
    (
        "MinGRU",
        "reference",
        MinRNNKernels,
        "_averages_back",
        {
            "nothing carried": ("(dnew * share,)", "(0 * dnew,)"),
            "candidate in the share": ("dshare - dadded * candidate", "dshare"),
            "dstate dropped": ("self.initial_states((dstate,)", "self.initial_states((None,)"),
        },
    ),
    (
        "MinGRU",
        "numpy",
        NumPyMinRNNKernels,
        "_begin",
        {"mask off": (ORDER, NO_LENGTHS, "padding")},
    ),
    (
        "MinGRU",
        "numpy",
        NumPyMinRNNKernels,
        "_gradients",
        {"dstate dropped": ("self.carried(order, dstate,", "self.carried(order, None,")},
    ),
    (
        "MinGRU",
        "numpy",
        NumPyMinRNNKernels,
        "min_gru_backward",
        {
            "sign of z": ("np.negative(da[0], out=da[0])", "pass"),
            "the step after": ("before[part]", "slab[batch:][part]"),
        },
    ),
    (
        "MinLSTM",
        "numpy",
        NumPyMinRNNKernels,
        "min_lstm_backward",
        {
            "sign of i": ("np.negative(da[0], out=da[0])", "pass"),
            "slope of f": ("multiply(da[1], opened[1]", "multiply(da[1], opened[0]"),
        },
    ),
    (
        "IndRNN",
        "reference",
        IndRNNKernels,
        "ind_rnn_backward",
        {
            "nothing carried": ("(da * w_h,)", "(0 * da,)"),
            "w_h left out": ("(da * w_h,)", "(da,)"),
            "dw_h of the step after": ("before * da", "(before + 1) * da", "gradient of w_h"),
        },
    ),
    (
        "IndRNN",
        "numpy",
        NumPyIndRNNKernels,
        "ind_rnn_backward",
        {
            "w_h left out": ("multiply(own, w_h, out=gradient)", "gradient[...] = own"),
            "dw_h of the step after": ("order.before(slab) * da", "after * da", "gradient of w_h"),
            "dstate dropped": ("self.carried(order, dstate,", "self.carried(order, None,"),
        },
    ),
    (
        "LRU",
        "reference",
        LRUKernels,
        "lru_backward",
        {
            "turned the other way": ("real * dre + imaginary * dim", "real * dre - imaginary * dim"),
            "angle": ("dim * re - dre * im", "dim * re + dre * im", "gradient of eigenvalues"),
            "gain left out of x": ("du * xp.concat([gain, gain])", "du"),
            "past left out": ("dx + dx_d", "dx"),
            "dy not through c": ("dnew + self.matmul(dout, w_c.T)", "dnew"),
        },
    ),
    (
        "LRU",
        "numpy",
        NumPyLRUKernels,
        "lru_backward",
        {
            "turned the other way": ("back, w_out = turn.conj()", "back, w_out = turn"),
            "angle": ("dlog.imag * p", "-dlog.imag * p", "gradient of eigenvalues"),
            "past left out": ("dx[part] += product(dout[part], w_d.T, room[:rows])", "pass"),
            "gain left out of w_b": ("dw_in * np.repeat(gain, 2)", "dw_in", "gradient of w_b"),
            "last output dropped": ("dy[rows, steps] += dy_last[rows]", "pass"),
        },
    ),
    (
        "SLSTM",
        "reference",
        SLSTMKernels,
        "slstm_backward",
        {
            "n left out": ("dnormalizer - by_average * average", "dnormalizer"),
            "c not carried": ("dcell * f, dnormalizer * f", "0 * dcell, dnormalizer * f"),
            "n not carried": ("dnormalizer * f, df)", "0 * dnormalizer, df)"),
            "slope of f": ("df * slope", "df"),
            "slope of z": ("(1 - z * z)", "1"),
            "m dropped": ("dscale = dscale - df - di", "dscale = 0 * df"),
        },
    ),
    (
        "SLSTM",
        "numpy",
        NumPySLSTMKernels,
        "slstm_backward",
        {
            "m dropped": ("scale[alive] += ", "scale[alive] = "),
            "m's first gradient": ("(dc * slabs.a[alive] + dn) * first.n[alive]", "0 * dc"),
            "no scale": ("scale = self.carried(", "scale = 0 * self.carried("),
            "n's first gradient": ("dn *= by", "pass"),
            "average's part of n": ("dn -= dc * chunks", "dc * chunks"),
            "dw_h of the step after": ("run.before(slabs.h).reshape", "run.after(slabs.h).reshape", "gradient of w_h"),
        },
    ),
    (
        "SLSTM",
        "numpy",
        NumPySLSTMKernels,
        "slstm_forward",
        {"mask off": (ORDER, NO_LENGTHS, "padding")},
    ),
)
MUTATIONS = [
    pytest.param(cls, backend, owner, method, change, id=f"{cls}, {method}, {backend}: {name}")
    for cls, backend, owner, method, table in TABLES
    for name, change in table.items()
]


@pytest.mark.parametrize(("cls", "backend", "owner", "method", "change"), MUTATIONS)
def test_broken_kernel(mutate, failure, cls, backend, owner, method, change):
    old, new, *match = change
    mutate(owner, method, old, new)
    assert (match or ["gradients"])[0] in failure(cls, backend)


@pytest.mark.parametrize("cls", ["MinGRU", "MinLSTM", "IndRNN", "LRU", "SLSTM"])
@pytest.mark.parametrize("backend", ["numpy", "reference"])
def test_unbroken_passes(unbroken, cls, backend):
    assert unbroken(cls, backend) == "nothing failed"
