"""The suite proves itself: each piece of attention, CTC, normalization, embedding and convolution, broken, is caught.

As in `test_mutations_gated`, in the generic kernel and in NumPy's, without comparing them. A mistake that forward and
backward make alike is none to a check of gradients: those need the comparison, or, for a kernel that is there once,
a test that knows what comes out.
"""

import itertools

import numpy as np
import pytest

import lamina
from lamina.backends.generic.attention import AttentionKernels
from lamina.backends.generic.convolution import ConvolutionKernels
from lamina.backends.generic.ctc import CTCKernels
from lamina.backends.generic.masked_attention import MaskedAttentionKernels
from lamina.backends.generic.normalization import NormalizationKernels
from lamina.backends.generic.pooling import PoolingKernels
from lamina.backends.generic.rows import RowOperations
from lamina.backends.generic.windows import WindowOperations
from lamina.backends.numpy.attention import NumPyAttentionKernels
from lamina.backends.numpy.backend import NumPyBackend
from lamina.backends.numpy.convolution import NumPyConvolutionKernels
from lamina.backends.numpy.rows import NumPyRows
from lamina.layers import BatchNorm
from lamina.losses import CTC
from lamina.testing import LayerCheckError, check_layer

WRONG_PLACE = "windows._replace(dilation=1).places(index)"

# What is broken: the piece of the source, what it becomes, and what must see it (the check of gradients if not said).
ATTENTION_FORWARD = {
    "mask off": ("self.attention_mask(lengths, ", "self.attention_mask(None, ", "row alone: output 0"),
}
ATTENDED = {"scale of the forward pass alone": ("self.matmul(q * scale", "self.matmul(q")}
ATTENTION_MASK = {
    "a later step": ("steps[None, :] <= steps[:, None]", "steps[None, :] <= steps[:, None] + 1", "streaming: output 0"),
}
ATTENDED_BACK = {
    "scale": ("scaled = dscores * scale", "scaled = dscores"),
    "dq": ("dq = self.matmul(scaled, k)", "dq = -self.matmul(scaled, k)"),
    "dk": ("dk = self.matmul", "dk = 0 * self.matmul"),
    "dv": ("dv = self.matmul", "dv = -self.matmul"),
    "softmax's sum": (" - xp.sum(upstream * weights, axis=-1, keepdims=True)", ""),
}
ATTENDED_BACK_KEPT = {
    "what was dropped gets a gradient": ("upstream = upstream * kept", "pass"),
    "what was dropped gives the values one": ("weights if kept is None else weights * kept", "weights"),
    "the scores' own gradient": ("upstream = upstream + dweights", "pass"),
}
MASKED_BACKWARD = {"the bias's gradient": ("dbias = xp.sum(dscores, axis=2)", "dbias = -xp.sum(dscores, axis=2)")}
KEY_MASK = {
    "keys past their end": (
        "self.valid_steps(key_lengths, keys)",
        "self.valid_steps(key_lengths + 1, keys)",
        "several lengths: output 0",
    )
}
NUMPY_ATTENTION_FORWARD = {
    "mask off": ("_blocks(batch, heads, time, lengths)", "_blocks(batch, heads, time, None)", "row alone: output 0"),
    "scale of the forward pass alone": ("weights *= scale", "pass"),
}
NUMPY_ATTENTION_BACKWARD = {
    "scale": ("dscores *= scale", "pass"),
    "dq": ("np.matmul(dscores, k[part]", "np.matmul(-dscores, k[part]"),
    "dk": ("np.matmul(dscores.swapaxes(-1, -2)", "np.matmul(0 * dscores.swapaxes(-1, -2)"),
    "dv": ("np.matmul(weights.swapaxes(-1, -2)", "np.matmul(-weights.swapaxes(-1, -2)"),
    "softmax's sum": ('dscores -= np.einsum("bhqk,bhqk->bhq", dscores, weights)[..., None]', "pass"),
}
CTC_FORWARD = {
    "steps past the end": (
        "self._emissions(shifted - log_total, labels, lengths, blank)",
        "self._emissions(shifted - log_total, labels, None, blank)",
        "left out: loss with lengths",
    ),
    "numbers of labels": (
        "_into_blanks(blanks, states)[:, :batch], counts[None, :]",
        "_into_blanks(blanks, states)[:, :batch], xp.full_like(counts, width)[None, :]",
    ),
    "rows that do not count": (
        "share = xp.where(possible, row_weight, zero)",
        "share = xp.where(possible, 0 * row_weight + 1, zero)",
    ),
    "impossible rows": ("share = xp.where(possible, row_weight, zero)", "share = row_weight"),
}
CTC_BACKWARD = {
    "sign": ("(xp.exp(log_probability) - occupied)", "(occupied - xp.exp(log_probability))"),
    "softmax left out": ("(xp.exp(log_probability) - occupied)", "(-occupied)"),
    "blanks left out": ("occupied = occupied + blank_share.T", "occupied = occupied + 0 * blank_share.T"),
    "a step counted twice": (" - emission\n", "\n"),
    "past the end": ("return self.zero_past(gradient, lengths)", "return gradient"),
}
BATCH_NORM_FORWARD = {
    "padding in the mean": ("x = self.zero_past(x, lengths)", "pass", "gradients, ragged"),
    "padding in the variance": ("self.zero_past(x - mean, lengths)", "(x - mean)", "gradients, ragged"),
    "padding in the count": ("if lengths is None else", "if True else", "gradients, ragged"),
    "output past the end": (
        "self.zero_past(self.scaled(n, scale, shift), lengths)",
        "self.scaled(n, scale, shift)",
        "padding",
    ),
}
BATCH_NORM_BACKWARD = {
    "through the mean": (" - dshift / count", ""),
    "through the variance": (" - n * (dscale / count)", ""),
    "dscale": ("return self.zero_past(dx, lengths), dscale", "return self.zero_past(dx, lengths), -dscale"),
    "dy past the end": ("dy = self.zero_past(dy, lengths)", "pass", "padding"),
}
ROWS = {
    "repeated ids not summed": (
        "+ xp.take(sums, other, axis=0), stop",
        "+ 0 * xp.take(sums, other, axis=0), stop",
    ),
    "a row left out": (
        "return unique, sums[:-1, ...]",
        "return unique[1:], sums[1:-1, ...]",
    ),
}
NUMPY_ROWS = {
    "repeats of many ids not summed": ("range(1, most)", "range(1, 1)"),
    "a row of many ids left out": ("counts > place)", "counts > place + 1)"),
    "repeated ids not summed": ("np.add.reduceat(rows[order], starts, axis=0)", "rows[order[starts]]"),
    "a row left out": (
        "np.add.reduceat(rows[order], starts",
        "np.add.reduceat(rows[order][1:], starts.clip(0, len(ids) - 2)",
    ),
}
TAKEN = {"another row": ("self.reshape(ids, (-1,))", "self.reshape(ids, (-1,)) * 0")}
WINDOWS = {"dilation": ("windows.places(index), ...)\n", WRONG_PLACE + ", ...)\n")}
CONV_BACKWARD = {
    "dw": ("self.matmul(columns.T, dy_rows)", "-self.matmul(columns.T, dy_rows)"),
    "db": ("xp.sum(dy_rows, axis=0)", "dy_rows[0, :]", "gradient of b"),
    "dx past the end": ("self.zero_past(dx, lengths)", "dx", "gradients, ragged"),
    "dy past the end": ("self.zero_past(dy, output_lengths)", "dy", "padding"),
}
NUMPY_CONV_FORWARD = {
    "mask off": (
        "padded_rows(self, x, lengths, windows)",
        "padded_rows(self, x, None, windows)",
        "gradients, ragged",
    ),
}
NUMPY_CONV_BACKWARD = {
    "dilation": ("windows.places(index)", WRONG_PLACE),
    "dw": ("dw += dw_part", "dw -= dw_part"),
    "db": (
        "np.ones(batch * windows.number, dy.dtype) @ dy.reshape(-1, units)",
        "dy.reshape(-1, units)[0]",
        "gradient of b",
    ),
    "dy past the end": (
        "np.ascontiguousarray(self.zero_past(dy, output_lengths))",
        "np.ascontiguousarray(dy)",
        "padding",
    ),
}
STREAMED_MASK = {"a later step": ("<= places", "<= 1 + places", "streaming: output 0")}
STEPS_FROM = {"the first steps": ("starts[:, None] + np", "0 * starts[:, None] + np", "streaming: output 0")}
APPENDED = {"one step over again": ("before + steps - own", "before + 0 * steps", "streaming: output 0")}
JOINED_MAXIMA = {"the later part alone": ("xp.maximum(before, y)", "y", "streaming: output 0")}
JOINED_AVERAGES = {"the later part alone": ("before * rest + y * share", "y", "streaming: output 0")}
TABLES = (
    ("SelfAttention", "reference", AttentionKernels, "attention_mask", ATTENTION_MASK),
    ("SelfAttention", "reference", AttentionKernels, "cached_mask", STREAMED_MASK),
    ("SelfAttention", "reference", AttentionKernels, "attended", ATTENDED),
    ("SelfAttention", "reference", WindowOperations, "append_steps", APPENDED),
    ("Conv1D", "reference", WindowOperations, "steps_from", STEPS_FROM),
    ("GlobalMaxPool1D", "reference", PoolingKernels, "join_maxima", JOINED_MAXIMA),
    ("GlobalAveragePool1D", "reference", PoolingKernels, "join_averages", JOINED_AVERAGES),
    ("SelfAttention", "reference", AttentionKernels, "attention_forward", ATTENTION_FORWARD),
    ("SelfAttention", "reference", AttentionKernels, "attended_back", ATTENDED_BACK),
    ("Attention", "reference", AttentionKernels, "attended_back", ATTENDED_BACK_KEPT),
    ("Attention", "reference", MaskedAttentionKernels, "masked_attention_backward", MASKED_BACKWARD),
    ("Attention", "reference", MaskedAttentionKernels, "key_mask", KEY_MASK),
    ("SelfAttention", "numpy", NumPyAttentionKernels, "attention_forward", NUMPY_ATTENTION_FORWARD),
    ("SelfAttention", "numpy", NumPyAttentionKernels, "attention_backward", NUMPY_ATTENTION_BACKWARD),
    ("CTC", "reference", CTCKernels, "ctc_forward", CTC_FORWARD),
    ("CTC", "reference", CTCKernels, "ctc_backward", CTC_BACKWARD),
    ("BatchNorm", "reference", NormalizationKernels, "batch_norm_forward", BATCH_NORM_FORWARD),
    ("BatchNorm", "reference", NormalizationKernels, "batch_norm_backward", BATCH_NORM_BACKWARD),
    ("Embedding", "reference", RowOperations, "sum_rows", ROWS),
    ("Embedding", "reference", RowOperations, "take_rows", TAKEN),
    ("Embedding", "numpy", NumPyRows, "sum_rows", NUMPY_ROWS),
    ("Conv1D", "reference", WindowOperations, "add_window_steps", WINDOWS),
    ("Conv1D", "reference", ConvolutionKernels, "conv1d_backward", CONV_BACKWARD),
    ("Conv1D", "numpy", NumPyConvolutionKernels, "conv1d_forward", NUMPY_CONV_FORWARD),
    ("Conv1D", "numpy", NumPyConvolutionKernels, "conv1d_backward", NUMPY_CONV_BACKWARD),
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


@pytest.mark.parametrize("cls", dict.fromkeys(table[0] for table in TABLES))
@pytest.mark.parametrize("backend", ["numpy", "reference"])
def test_unbroken_passes(unbroken, cls, backend):
    assert unbroken(cls, backend) == "nothing failed"


ALIKE = {
    "NumPy's causal mask": (
        NumPyAttentionKernels,
        "attention_forward",
        "np.triu(np.full((time, time), -np.inf, q.dtype), 1)",
        "np.triu(np.full((time, time), -np.inf, q.dtype), 2)",
    ),
    "NumPy's scale": (NumPyAttentionKernels, "attention_forward", "scale = size**-0.5", "scale = 1.0"),
    "generic scale": (AttentionKernels, "attended", "scale = q.shape[-1] ** -0.5", "scale = 1.0"),
}


@pytest.mark.parametrize("name", ALIKE)
def test_what_forward_and_backward_do_alike_is_caught_by_the_other_kernel(mutate, failure, name):
    mutate(*ALIKE[name])
    assert "against the generic kernel" in failure("SelfAttention", "numpy", compared=True)


# Kernels that are there once: what must come out is known.


def total_probability():
    """Return the sum of the probabilities of all label sequences: 1."""
    logits = np.random.default_rng(0).standard_normal((1, 4, 3))
    sequences = [list(labels) for n in range(5) for labels in itertools.product((1, 2), repeat=n)]
    loss = CTC()
    loss.backend = lamina.get_backend("reference")
    return sum(np.exp(-loss(logits, [labels])) for labels in sequences)


def test_the_probabilities_of_all_label_sequences_are_1():
    assert total_probability() == pytest.approx(1, rel=1e-12)


@pytest.mark.parametrize(
    ("method", "old", "new"),
    [
        (
            "ctc_forward",
            "skips = both_ways !=",
            "skips = both_ways != 0 *",
        ),  # two equal labels need no blank between them
        ("ctc_forward", "skips = both_ways !=", "skips = both_ways < 0 *"),  # any two labels need one
        ("_into_blanks", "self._log_add(blanks[1:, :], states)", "states"),  # a blank is not repeated
        ("ctc_forward", "self._log_add(states, before)", "before"),  # nor a label
    ],
)
def test_another_rule_of_blanks_and_repeats(mutate, method, old, new):
    mutate(CTCKernels, method, old, new)
    assert abs(total_probability() - 1) > 1e-3


def settled():
    """Return how far inference is from training where the running statistics are the batch's."""
    layer, lengths = BatchNorm(momentum=1, epsilon=1e-12), np.array([2, 0, 4])
    layer.build((None, None, 2), backend="reference", dtype="float64")
    x = 3 + np.random.default_rng(0).standard_normal((3, 4, 2))
    y, _ = layer.forward(x, lengths=lengths)
    return np.abs(layer(x, lengths=lengths) * np.sqrt(6 / 5) - y).max()


def test_inference_is_training_where_the_running_statistics_are_the_batchs():
    assert settled() < 1e-9


@pytest.mark.parametrize(
    "wrong", ["(0 * mean, variance, steps)", "(mean, 2 * variance, steps)", "(mean, variance, 12)"]
)
def test_other_running_statistics(mutate, wrong):
    mutate(NormalizationKernels, "batch_norm_forward", "(mean, variance, steps)", wrong)
    assert settled() > 1e-3


def test_other_running_statistics_of_a_backends_own_kernel():
    class Own(NumPyBackend):
        name = "own"

        def batch_norm_forward(self, *arguments, **options):
            y, (mean, variance, steps), saved = NumPyBackend.batch_norm_forward(self, *arguments, **options)
            return y, (mean, variance * 1.01, steps), saved

        def batch_norm_backward(self, *arguments):
            return NumPyBackend.batch_norm_backward(self, *arguments)

    lamina.register_backend("own", Own)
    with pytest.raises(LayerCheckError, match="generic kernel: running_variance after forward in float64, against"):
        check_layer(BatchNorm(), (5, 4, 3), backend=Own(), skip=["row alone", "inference"])
