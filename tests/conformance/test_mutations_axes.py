"""The suite proves itself: each piece of what is normalized over axes, rectified or gated, broken, is caught.

As in `test_mutations_parts`, without comparing kernels: in the generic ones, and in NumPy's where it has its own.
"""

import pytest

from lamina.backends.generic.axis_normalization import AxisNormalizationKernels
from lamina.backends.generic.axis_softmax import AxisSoftmaxKernels
from lamina.backends.generic.gated_linear import GatedLinearKernels
from lamina.backends.generic.normalization import NormalizationKernels
from lamina.backends.generic.rectifiers import RectifierKernels
from lamina.backends.generic.soft_activations import SoftActivationKernels
from lamina.backends.numpy.normalization import NumPyNormalizationKernels

RMS_FORWARD = {"mean of squares": ("xp.mean(x * x", "xp.mean(xp.abs(x)")}
RMS_BACKWARD = {
    "through the mean of squares": (" - n * xp.mean(along, axis=-1, keepdims=True)", ""),
    "scale": ("(dy * scale, product * scale)", "(dy, product)"),
    "dscale": ("dscale = xp.sum(product", "dscale = -xp.sum(product"),
}
NUMPY_FORWARD = {"mean of squares": ("own /= features", "pass")}
NUMPY_BACKWARD = {
    "through the mean of squares": ("out -= centred", "pass"),
    "scale": ("np.dot(product, scale, by_n[:, 0])", "by_n[:, 0] = product.sum(-1)"),
    "dscale": ("dscale += ", "dscale -= "),
}
NUMPY_FORWARD_CENTRED = NUMPY_FORWARD | {
    "mean": ("np.subtract(block, mean[part], ", "np.add(block, mean[part], "),
    "shift": ("shifts[:number]", "2 * shifts[:number]", "gradient of shift"),
}
NUMPY_BACKWARD_CENTRED = NUMPY_BACKWARD | {
    "mean": ("np.subtract(block, mean[part], out=centred)", "block"),
    "through the mean": ("out -= by_n", "pass"),
    "dshift": ("dshift += ", "dshift -= "),
}
AXIS_FORWARD = {
    "padding in x": ("x = self.zero_past(x, lengths)", "pass", "gradients, ragged"),
    "padding in the count": ("self._counts(x, lengths, axes)", "self._counts(x, None, axes)", "gradients, ragged"),
    "padding in the variance": ("ends = lengths if 1 in axes else None", "ends = None", "gradients, ragged"),
    "output past the end": ("y if shift is None else self.zero_past(y, lengths)", "y", "padding"),
    "variance without its root": ("1 / xp.sqrt(self._sums(centred * centred", "1 / (self._sums(centred * centred"),
}
AXIS_BACKWARD = {
    "through the mean": ("dn - mean - n", "dn - n"),
    "through the variance": (" - n * along", ""),
    "scale": ("else dy * scale", "else dy"),
    "dscale": ("self.sum_to(dy * n, scale.shape)", "-self.sum_to(dy * n, scale.shape)"),
    "dshift": ("self.sum_to(dy, shift.shape)", "-self.sum_to(dy, shift.shape)"),
    "dy past the end": ("dy = self.zero_past(dy, lengths)", "pass", "padding"),
    "dx past the end": (
        "self.zero_past(inverse * (dn - mean - n * along), lengths)",
        "inverse * (dn - mean - n * along)",
        "gradients, ragged",
    ),
}
COUNTS = {"rows of other features": ("if axis != 1)", "if axis != 2)", "gradients, ragged")}
POWERS = {
    "padding in the maximum": ("xp.where(valid, x, xp.full_like", "xp.where(valid | True, x, xp.full_like", "padding"),
    "padding in the sum": (
        "powers = self.zero_past(xp.exp(shifted), lengths)",
        "powers = xp.exp(shifted)",
        "padding",
    ),
}
SOFTMAX_BACKWARD = {
    "through the sum": (" - self.xp.sum(dy * y, axis=axis, keepdims=True)", ""),
    "dy past the end": ("dy = self.zero_past(dy, lengths)", "pass", "padding"),
}
LOG_SOFTMAX_FORWARD = {
    "output past the end": (
        "self.zero_past(shifted - self.xp.log(total), lengths)",
        "shifted - self.xp.log(total)",
        "padding",
    )
}
LOG_SOFTMAX_BACKWARD = {
    "through the sum": ("self.xp.exp(y) * ", "0 * "),
    "dx past the end": (
        "self.zero_past(dy - self.xp.exp(y) * self.xp.sum(dy, axis=axis, keepdims=True), lengths)",
        "dy - self.xp.exp(y) * self.xp.sum(dy, axis=axis, keepdims=True)",
        "gradients, ragged",
    ),
}
STANDARDIZE_FORWARD = {
    "deviation": ("((x - mean) - mean_rest) / deviation", "((x - mean) - mean_rest)"),
    "output past the end": ("self.zero_past(y, lengths), (deviation", "y, (deviation", "padding"),
}
STANDARDIZE_BACKWARD = {
    "deviation": ("lengths) / deviation", "lengths) * deviation"),
    "dy past the end": ("self.zero_past(dy, lengths)", "dy", "padding"),
}
PRELU_BACKWARD = {
    "dslope": ("self.sum_to(dy * low", "-self.sum_to(dy * low", "gradient of slope"),
    "slope": ("+ slope * self.astype", "+ self.astype"),
}
SELU_BACKWARD = {"scale": ("(scale * dy)", "dy"), "alpha": ("below = alpha * ", "below = ")}
CELU_BACKWARD = {"slope": ("self.xp.exp(saved)", "1")}
HARD_SIGMOID_BACKWARD = {
    "slope": ("(slope * self", "(self"),
    "outside": ("self.astype(inside, dy.dtype)", "1"),
}
HARD_SWISH_FORWARD = {"slope": ("c / 3 + 0.5", "c / 6 + 0.5"), "above": (" + self.astype(x >= 3, x.dtype)", "")}
SOFTPLUS_FORWARD = {
    "slope": ("(above + (1 - above) * e)", "(above + e)"),
    "beta": ("xp.log1p(e) / beta", "xp.log1p(e)"),
}
SOFTSIGN_BACKWARD = {"slope": ("dy * saved * saved", "dy * saved")}
MISH_FORWARD = {
    "through the gate": ("t + c * sigmoid", "t + 0 * sigmoid"),
    "other side": ("2 * (below + above * square)", "2 * (above + below * square)"),
}
GLU_BACKWARD = {
    "gate": ("[dy * gate, db]", "[dy, db]"),
    "through the gate": ("self.pair(activation)[1](db, content)", "db"),
    "a": ("db = dy * a", "db = dy"),
}
RELU6_FORWARD = {"above": ("(x > 0) & (x < 6)", "x > 0")}
RELU6_BACKWARD = {"outside": ("dy * self.astype(saved, dy.dtype)", "dy")}
TABLES = (
    ("RMSNorm", AxisNormalizationKernels, "rms_norm_forward", RMS_FORWARD),
    ("RMSNorm", AxisNormalizationKernels, "rms_norm_backward", RMS_BACKWARD),
    ("GroupNorm", AxisNormalizationKernels, "axis_norm_forward", AXIS_FORWARD),
    ("GroupNorm", AxisNormalizationKernels, "axis_norm_backward", AXIS_BACKWARD),
    ("GroupNorm", AxisNormalizationKernels, "_counts", COUNTS),
    ("Softmax", AxisSoftmaxKernels, "_powers", POWERS),
    ("Softmax", AxisSoftmaxKernels, "axis_softmax_backward", SOFTMAX_BACKWARD),
    ("LogSoftmax", AxisSoftmaxKernels, "axis_log_softmax_forward", LOG_SOFTMAX_FORWARD),
    ("LogSoftmax", AxisSoftmaxKernels, "axis_log_softmax_backward", LOG_SOFTMAX_BACKWARD),
    ("Standardize", NormalizationKernels, "standardize_forward", STANDARDIZE_FORWARD),
    ("Standardize", NormalizationKernels, "standardize_backward", STANDARDIZE_BACKWARD),
    ("PReLU", RectifierKernels, "prelu_backward", PRELU_BACKWARD),
    ("SELU", RectifierKernels, "selu_backward", SELU_BACKWARD),
    ("CELU", RectifierKernels, "celu_backward", CELU_BACKWARD),
    ("HardSigmoid", RectifierKernels, "hard_sigmoid_backward", HARD_SIGMOID_BACKWARD),
    ("HardSwish", RectifierKernels, "hard_swish_forward", HARD_SWISH_FORWARD),
    ("ReLU6", RectifierKernels, "relu6_forward", RELU6_FORWARD),
    ("ReLU6", RectifierKernels, "relu6_backward", RELU6_BACKWARD),
    ("Softplus", SoftActivationKernels, "softplus_forward", SOFTPLUS_FORWARD),
    ("Softsign", SoftActivationKernels, "softsign_backward", SOFTSIGN_BACKWARD),
    ("Mish", SoftActivationKernels, "mish_forward", MISH_FORWARD),
    ("GLU", GatedLinearKernels, "glu_backward", GLU_BACKWARD),
)
OWN_TABLES = (
    ("RMSNorm", NumPyNormalizationKernels, "_normalized", NUMPY_FORWARD),
    ("RMSNorm", NumPyNormalizationKernels, "_normalized_back", NUMPY_BACKWARD),
    ("LayerNorm", NumPyNormalizationKernels, "_normalized", NUMPY_FORWARD_CENTRED),
    ("LayerNorm", NumPyNormalizationKernels, "_normalized_back", NUMPY_BACKWARD_CENTRED),
)


def _backends(cls, owner):
    """Return the backends on which a layer runs an owner's kernel."""
    if owner is NumPyNormalizationKernels:
        return ("numpy",)
    return ("reference",) if cls == "RMSNorm" else ("numpy", "reference")


MUTATIONS = [
    pytest.param(cls, owner, method, change, backend, id=f"{cls}, {method}: {name}-{backend}")
    for cls, owner, method, table in TABLES + OWN_TABLES
    for name, change in table.items()
    for backend in _backends(cls, owner)
]


@pytest.mark.parametrize(("cls", "owner", "method", "change", "backend"), MUTATIONS)
def test_broken_kernel(mutate, failure, cls, owner, method, change, backend):
    old, new, *match = change
    mutate(owner, method, old, new)
    assert (match or ["gradients"])[0] in failure(cls, backend)


@pytest.mark.parametrize("cls", dict.fromkeys(table[0] for table in TABLES + OWN_TABLES))
@pytest.mark.parametrize("backend", ["numpy", "reference"])
def test_unbroken_passes(unbroken, cls, backend):
    assert unbroken(cls, backend) == "nothing failed"
