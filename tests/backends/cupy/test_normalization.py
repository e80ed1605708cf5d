"""Normalization's own kernels: right in every option and corner, and in few launches."""

from itertools import product

import numpy as np
import pytest

import lamina
from lamina.backends.backend import Backend
from tests.backends.cupy.against_generic import differences, faulty_source, host, pairs

# Rows that a warp has, that a block has, and that are too long to be kept; rows that have one block, and several.
LAYER = [(1, 1), (3, 5, 4), (2, 3, 2, 3), (9, 300), (70, 33), (2, 1100), (5, 2500), (5000, 3), (0, 4), (4, 0, 3)]
# Columns of one tile and of several; rows that one block has, and several.
BATCH = [(1, 1), (7, 3), (6, 5, 4), (4, 3, 2, 3), (600, 40), (60, 100, 3), (0, 4), (4, 0, 3), (3000, 1), (70, 70)]
EPSILON = 1e-3


def drawn(shape, affine=(True, True), dtype="float64", factor=1.0, shift=0.0):
    rng = np.random.default_rng(0)
    x, dy = ((rng.normal(size=shape) * by + add).astype(dtype) for by, add in ((factor, shift), (1, 0)))
    parameters = [rng.normal(size=shape[-1]).astype(dtype) if there else None for there in affine]
    return x, dy, parameters


def layer_results(device, x, dy, parameters, epsilon=EPSILON):
    found = []
    for asarray, forward, backward in pairs(device, "layer_norm"):
        scale, shift = (None if one is None else asarray(one) for one in parameters)
        with np.errstate(all="ignore"):
            y, saved = forward(asarray(x), scale, shift, epsilon=epsilon)
            found.append(host(device, [y, *backward(asarray(dy), saved, scale)]))
    return found


def batch_results(device, x, dy, parameters, lengths=None, epsilon=EPSILON):
    found = []
    for asarray, forward, backward in pairs(device, "batch_norm"):
        scale, shift = (None if one is None else asarray(one) for one in parameters)
        with np.errstate(all="ignore"):
            y, (mean, variance, steps), saved = forward(asarray(x), scale, shift, lengths, epsilon=epsilon)
            gradients = backward(asarray(dy), saved, scale)
            own = device.is_array(asarray(x))
            infer = device.batch_norm_infer if own else Backend.batch_norm_infer.__get__(lamina.get_backend("numpy"))
            inferred = infer(asarray(x), mean, variance, scale, shift, lengths, epsilon=epsilon)
        found.append(host(device, [y, mean, variance, np.float64(steps), *gradients, inferred]))
    return found


def ragged(x):
    """Return lengths, and put into x past the ends what is nobody's to read."""
    lengths = np.random.default_rng(1).integers(0, x.shape[1] + 1, len(x))
    lengths[:1] = x.shape[1]
    x[np.arange(x.shape[1]) >= lengths[:, None]] = np.nan
    return lengths


@pytest.mark.parametrize("affine", [*product((True, False), (True, False))], ids=str)
@pytest.mark.parametrize("shape", LAYER, ids=str)
def test_layer_norm(device, shape, affine):
    assert max(differences(*layer_results(device, *drawn(shape, affine, shift=3)))) < 1e-12


@pytest.mark.parametrize("affine", [*product((True, False), (True, False))], ids=str)
@pytest.mark.parametrize("shape", BATCH, ids=str)
def test_batch_norm(device, shape, affine):
    assert max(differences(*batch_results(device, *drawn(shape, affine, shift=3)))) < 1e-12


@pytest.mark.parametrize("shape", [shape for shape in BATCH if len(shape) > 2], ids=str)
def test_batch_norm_of_rows_that_end(device, shape):
    x, dy, parameters = drawn(shape)
    lengths = ragged(x)
    dy[np.isnan(x)] = np.nan
    with np.errstate(all="ignore"):
        assert max(differences(*batch_results(device, x, dy, parameters, lengths))) < 1e-12
        nothing = batch_results(device, x, dy, parameters, np.zeros(len(x), int))
    assert max(differences(*nothing)) < 1e-12


@pytest.mark.parametrize("epsilon", [1e-3, 1e-30, 1e-200])
@pytest.mark.parametrize("factor", [1e-300, 1e-160, 1e-90, 1e-10, 1e10, 1e90, 1e160, 1e305])
def test_values_whose_squares_are_no_numbers(device, factor, epsilon):
    x, dy, parameters = drawn((300, 6), factor=factor)
    x[:, 1], x[7], x[9, 2:], x[150:, 3] = 0, 0, 1, 1e-20  # beside ordinary ones
    with np.errstate(all="ignore"):
        found = [*zip(*layer_results(device, x, dy, parameters, epsilon), strict=True)]
        found += zip(*batch_results(device, x, dy, parameters, None, epsilon), strict=True)
        x = x.reshape(3, 100, 6)
        dy, lengths = dy.reshape(x.shape), np.array([50, 0, 90])
        found += zip(*batch_results(device, x, dy, parameters, lengths, epsilon), strict=True)
    assert max(differences(*zip(*found, strict=True))) < 1e-12


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite(device, value):
    x, dy, parameters = drawn((9, 6))
    x[4, 2] = value
    found = [*zip(*layer_results(device, x, dy, parameters), strict=True)]
    found += zip(*batch_results(device, x, dy, parameters), strict=True)
    assert max(differences(*zip(*found, strict=True))) < 1e-12


@pytest.mark.parametrize("shape", [(70, 33), (600, 40), (5, 2500), (3000, 3)], ids=str)
@pytest.mark.parametrize("results", [layer_results, batch_results])
def test_float32_is_about_as_near_as_the_generic_kernel(device, results, shape):
    x, dy, parameters = drawn(shape, dtype="float32", shift=20)
    own, generic = results(device, x, dy, parameters)
    exact = results(device, *(one.astype("float64") for one in (x, dy)), [one.astype("float64") for one in parameters])
    for mine, other, true in zip(own, generic, exact[1], strict=True):
        assert abs(mine - true).max() < 2 * abs(other - true).max() + 1e-6


@pytest.mark.parametrize("count", [0, 1, 2, 50])
@pytest.mark.parametrize("part", [slice(None), slice(None, None, 2)], ids=["whole", "spread"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_running_statistics(device, count, part, dtype):
    values = np.random.default_rng(0).random((4, 300)).astype(dtype)
    found = []
    for backend in (device, lamina.get_backend("numpy")):
        arrays = [backend.asarray(row.copy()) for row in values]
        backend.batch_norm_move(*(one[part] for one in arrays), count, 0.3)
        found.append(host(device, arrays))
    assert max(differences(*found)) < (1e-12 if dtype == "float64" else 1e-6)
    assert (np.array(found[0]) == values).all(axis=1).tolist() == [count < 1, count < 2, True, True]


def test_arrays_that_are_not_contiguous(device):
    x, dy, _ = drawn((6, 5, 4))
    scale, shift = drawn((2, 10))[0]
    for kernel, *further in (("layer_norm",), ("batch_norm", np.array([3, 0, 4, 1, 6]))):
        found = []
        for asarray, forward, backward in pairs(device, kernel):
            turned = [asarray(one).transpose(1, 0, 2)[..., ::2] for one in (x, dy)]
            parameters = [asarray(one)[::5] for one in (scale, shift)]
            y, *_, saved = forward(turned[0], *parameters, *further, epsilon=EPSILON)
            found.append(host(device, [y, *backward(turned[1], saved, parameters[0])]))
        assert max(differences(*found)) < 1e-12


@pytest.mark.parametrize("shape", [(70, 33), (600, 40), (5, 2500)], ids=str)
@pytest.mark.parametrize("results", [layer_results, batch_results])
def test_the_same_bits_every_time(device, results, shape):
    first, second = (results(device, *drawn(shape, dtype="float32"))[0] for _ in range(2))
    assert all(one.tobytes() == other.tobytes() for one, other in zip(first, second, strict=True))


@pytest.mark.parametrize(
    ("kernel", "shape", "launches"),
    [
        ("layer_norm", (8, 6), (1, 1)), ("layer_norm", (8, 50, 6), (1, 2)), ("layer_norm", (9, 3000), (1, 2)),
        ("batch_norm", (8, 6), (1, 1)), ("batch_norm", (8, 500, 6), (2, 2)), ("batch_norm", (8, 500, 60), (2, 2)),
    ],
    ids=str,
)  # fmt: skip
def test_launches(counted, kernel, shape, launches):
    device, ledger = counted
    x, dy, (scale, shift) = drawn(shape, dtype="float32")
    x, dy, scale, shift = (device.asarray(one) for one in (x, dy, scale, shift))
    lengths = None
    if kernel == "batch_norm" and len(shape) > 2:
        lengths = np.arange(len(x))
        device.constant(lengths, "int64")
    further = () if kernel == "layer_norm" else (lengths,)
    forward, backward = device.pair(kernel)
    counts = {"set": 0, "copy": 0, "upload": 0, "download": 0, "wait": 0}
    ledger.clear()
    *_, saved = forward(x, scale, shift, *further, epsilon=EPSILON)
    assert ledger.totals() == {"launch": launches[0], **counts}
    ledger.clear()
    backward(dy, saved, scale)
    assert ledger.totals() == {"launch": launches[1], **counts}
    if kernel == "batch_norm":
        variance, running = abs(scale), device.copy(scale)
        ledger.clear()
        device.batch_norm_infer(x, scale, variance, scale, shift, lengths, epsilon=EPSILON)
        device.batch_norm_move(running, variance, scale, shift, 9, 0.5)
        assert ledger.totals() == {"launch": 2, **counts}


FAULTS = {
    "a row's mean": ("layer_norm.cu", "real mean = total[0] / features;", "real mean = 0;"),
    "a row's square": ("layer_norm.cu", "squares[0] += centred * centred", "squares[0] += centred"),
    "a row's factor": ("layer_norm.cu", "total[0] = 0;\n            for", "for"),
    "the gradient along n": ("layer_norm.cu", "- n[k] * along", ""),
    "the mean gradient": ("layer_norm.cu", "dn[k] - level", "dn[k]"),
    "a block's other rows": ("layer_norm.cu", "other < GROUPS; ++other) sum", "other < 1; ++other) sum"),
    "the blocks' sums": ("layer_norm.cu", "row += place.lines) sum +=", "row += 99999) sum +="),
    "a long row's gradient": ("layer_norm.cu", ": upstream) - level - n * along", ": upstream) - level"),
    "a stretch's share": ("batch_norm.cu", "part(stretch, 3) * apart * apart", "0"),
    "a stretch's mean": ("batch_norm.cu", "ratio(stretch) * (part(stretch, 3) / count)", "ratio(stretch)"),
    "a stretch's factor": ("batch_norm.cu", "real(0) : factor / factor_of(own, epsilon)", "real(0) : real(1)"),
    "padding in the statistics": (
        "batch_norm.cu",
        "if (!place.there || !rows.valid(row)) continue;\n        real",
        "real",
    ),
    "padding in the output": ("batch_norm.cu", "y[index] = rows.valid(row)", "y[index] = true"),
    "padding in the gradient": ("batch_norm.cu", "dx[index] = rows.valid(row)", "dx[index] = true"),
    "steps counted": ("batch_norm.cu", "moments.count = steps;", "moments.count = steps + 1;"),
    "the variance's unit": ("batch_norm.cu", "sqrt(own_variance) / factor", "sqrt(own_variance)"),
    "columns of the other tiles": ("batch_norm.cu", "blockIdx.y) * width +", "0) * width +"),
    "the gradients' sums": ("batch_norm.cu", "found.shift += parts[(2LL", "found.shift = parts[(2LL"),
    "lines left out": ("batch_norm.cu", "half = place.lines / 2; half > 0", "half = place.lines / 2; half > 1"),
    "epsilon": ("batch_norm.cu", "factor == 1 ? epsilon.added", "factor == 1 ? 0"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_seen(monkeypatch, counted, fault):
    device, _ = counted
    file = FAULTS[fault][0]
    faulty_source(monkeypatch, *FAULTS[fault])
    worst = 0
    with np.errstate(all="ignore"):
        for factor in (1, 1e200):
            if file == "layer_norm.cu":
                for shape in ((70, 33), (3, 2500)):
                    worst = max(worst, *differences(*layer_results(device, *drawn(shape, factor=factor, shift=factor))))
                continue
            for shape in ((6, 3, 4), (60, 50, 40)):
                x, dy, parameters = drawn(shape, factor=factor, shift=factor)
                x[:, 10:, 1] /= factor
                worst = max(worst, *differences(*batch_results(device, x, dy, parameters, ragged(x))))
    assert worst > 1e-6
