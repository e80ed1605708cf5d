"""The suite proves itself: each piece of convolution in groups or transposed, and of pooling, broken, is caught.

As in `test_mutations_parts`.
"""

import pytest

from lamina.backends.generic.grouped_convolution import GroupedConvolutionKernels
from lamina.backends.generic.pooling import PoolingKernels
from lamina.backends.generic.transposed_convolution import TransposedConvolutionKernels
from lamina.backends.generic.windows import WindowOperations
from lamina.backends.numpy.grouped_convolution import NumPyGroupedConvolutionKernels
from lamina.backends.numpy.pooling import NumPyPoolingKernels
from lamina.backends.numpy.transposed_convolution import NumPyTransposedConvolutionKernels

GROUPED_FORWARD = {
    "mask off": ("self.zero_past(x, lengths)", "x", "gradients, ragged"),
    "output past the end": ("self.zero_past(y, output_lengths)", "y", "padding"),
}
GROUPED_BACKWARD = {
    "dw": ("dw = xp.reshape(self.matmul(", "dw = xp.reshape(-self.matmul("),
    "db": ("xp.sum(dy_rows, axis=0)", "dy_rows[0, :]", "gradient of b"),
    "dx": ("dcolumns = self.matmul(", "dcolumns = -self.matmul("),
    "dx past the end": ("self.zero_past(dx, lengths)", "dx", "gradients, ragged"),
    "dy past the end": ("self.zero_past(dy, output_lengths)", "dy", "padding"),
}
NUMPY_GROUPED_FORWARD = {
    "output past the end": ("clear_past(self, y, output_lengths)", "pass", "padding"),
}
NUMPY_GROUPED_BACKWARD = {
    "db": ("dy.reshape(-1, units).sum(axis=0)", "dy.reshape(-1, units)[0]", "gradient of b"),
    "dx past the end": ("clear_past(self, dx, lengths)", "pass", "gradients, ragged"),
    "dy past the end": ("self.zero_past(dy, output_lengths)", "dy", "padding"),
    "units of a feature": ("range(units // features))", "range(1))"),
}
NUMPY_BY_FEATURE = {
    "dw": ("dw[index, 0] +=", "dw[index, 0] -="),
    "dx": ("np.multiply(dy[rows], w[index, 0], out=part)", "np.multiply(dy[rows], w[0, 0], out=part)"),
}
NUMPY_BY_PRODUCTS = {
    "dw": ("dw += part", "dw -= part"),
    "dx": ("windows.places(index)", "windows._replace(dilation=1).places(index)"),
}
TRANSPOSED_FORWARD = {
    "mask off": ("self.zero_past(x, lengths)", "x", "gradients, ragged"),
    "output past the end": ("self.zero_past(y, output_lengths)", "y", "padding"),
}
TRANSPOSED_BACKWARD = {
    "dw": ("dw = xp.reshape(self.matmul(", "dw = xp.reshape(-self.matmul("),
    "db": ("xp.sum(dy, axis=(0, 1))", "dy[0, 0, :]", "gradient of b"),
    "dx": ("dx = self._together(self.matmul(", "dx = -self._together(self.matmul("),
    "dx past the end": ("self.zero_past(dx, lengths)", "dx", "gradients, ragged"),
    "dy past the end": ("self.zero_past(dy, output_lengths)", "dy", "padding"),
}
NUMPY_TRANSPOSED_FORWARD = {
    "mask off": ("self.zero_past(x, lengths)", "x", "gradients, ragged"),
    "output past the end": ("clear_past(self, y, output_lengths)", "pass", "padding"),
}
NUMPY_TRANSPOSED_BACKWARD = {
    "dw": ("dw += part", "dw -= part"),
    "db": ("within.sum(axis=(0, 1))", "within[0, 0]", "gradient of b"),
    "dx past the end": ("clear_past(self, dx, lengths)", "pass", "gradients, ragged"),
    "dy past the end": ("padded_rows(self, dy, output_lengths", "padded_rows(self, dy, None", "padding"),
}
AVERAGED = {
    "padding past a row's end": ("if lengths is None else lengths) + after", ") + after", "row alone: output 0"),
}
EMPTY = {"windows without a step": ("if empty.any() else y", "if False else y", "raised")}
BEGINS = {"what stands before a row": ("if not before.any():", "if True:", "streaming: output 0")}
TABLES = (
    ("Conv1D", "reference", GroupedConvolutionKernels, "grouped_conv1d_forward", GROUPED_FORWARD),
    ("Conv1D", "reference", GroupedConvolutionKernels, "grouped_conv1d_backward", GROUPED_BACKWARD),
    ("Conv1D", "numpy", NumPyGroupedConvolutionKernels, "grouped_conv1d_forward", NUMPY_GROUPED_FORWARD),
    ("Conv1D", "numpy", NumPyGroupedConvolutionKernels, "grouped_conv1d_backward", NUMPY_GROUPED_BACKWARD),
    ("Conv1D", "numpy", NumPyGroupedConvolutionKernels, "_by_feature", NUMPY_BY_FEATURE),
    ("Conv1D", "numpy", NumPyGroupedConvolutionKernels, "_by_products", NUMPY_BY_PRODUCTS),
    ("Conv1DTranspose", "reference", TransposedConvolutionKernels, "conv1d_transpose_forward", TRANSPOSED_FORWARD),
    ("Conv1DTranspose", "reference", TransposedConvolutionKernels, "conv1d_transpose_backward", TRANSPOSED_BACKWARD),
    (
        "Conv1DTranspose",
        "numpy",
        NumPyTransposedConvolutionKernels,
        "conv1d_transpose_forward",
        NUMPY_TRANSPOSED_FORWARD,
    ),
    (
        "Conv1DTranspose",
        "numpy",
        NumPyTransposedConvolutionKernels,
        "conv1d_transpose_backward",
        NUMPY_TRANSPOSED_BACKWARD,
    ),
    ("AveragePool1D", "reference", PoolingKernels, "average_pool_forward", AVERAGED),
    ("MaxPool1D", "reference", PoolingKernels, "zero_empty", EMPTY),
    ("MaxPool1D", "reference", WindowOperations, "set_before", BEGINS),
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


def test_numpys_weight_of_another_step_is_caught_by_the_other_kernel(mutate, failure):
    mutate(NumPyGroupedConvolutionKernels, "grouped_conv1d_forward", "w[0, 0], out=y", "2 * w[0, 0], out=y")
    assert "gradients" in failure("Conv1D", "numpy")


def test_numpys_windows_without_a_step_are_caught_by_the_other_kernel(mutate, failure):
    mutate(NumPyPoolingKernels, "max_pool_forward", "if windows.dilation > 1:", "if False:")
    assert failure("MaxPool1D", "numpy") != "nothing failed"
