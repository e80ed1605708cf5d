"""NumPy's GRU equals the generic kernel, which PyTorch has proven, whatever the shapes, lengths and direction."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lamina
import lamina.backends.numpy.gru as numpy_gru
from lamina.backends.numpy.gates import CHUNK_ROWS

OURS, GENERIC = lamina.get_backend("numpy"), lamina.get_backend("reference")
SIZES = st.tuples(st.integers(0, 5), st.integers(0, 6), st.integers(1, 4), st.integers(1, 5))


def run(backend, seed, sizes, ends, dtype, has_bias, has_state, wanted, **options):
    batch, time, features, units = sizes
    rng = np.random.default_rng(seed)

    def numbers(*shape):
        array = rng.standard_normal(shape).astype(dtype)
        array.flags.writeable = False
        return array

    x = np.array(numbers(batch, time, features))
    if ends is not None:
        x[np.arange(time) >= ends[:, None]] = np.nan
    x.flags.writeable = False
    w_x, w_h = numbers(features, 3 * units), numbers(units, 3 * units)
    b, b_h, state = numbers(3 * units), numbers(units), numbers(batch, units)
    if not has_bias:
        b = b_h = None
    if not options["reset_after"]:
        b_h = None
    dh, dlast = np.array(numbers(batch, time, units)), numbers(batch, units)
    if ends is not None:
        dh[np.arange(time) >= ends[:, None]] = np.nan
    dh.flags.writeable = False
    outputs, last, saved = backend.gru_forward(x, w_x, w_h, b, b_h, state if has_state else None, ends, **options)
    gradients = backend.gru_backward(dh if wanted[0] else None, dlast if wanted[1] else None, saved, w_x, w_h)
    dx, dw_x, dw_h, db, db_h, dfirst = gradients
    return [outputs, last, dx, dw_x, dw_h, db, dfirst] + ([db_h] if options["reset_after"] else [])


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 999),
    sizes=SIZES,
    ragged=st.booleans(),
    dtype=st.sampled_from(["float64", "float32"]),
    has_bias=st.booleans(),
    has_state=st.booleans(),
    wanted=st.tuples(st.booleans(), st.booleans()),
    reset_after=st.booleans(),
    reverse=st.booleans(),
    joined=st.booleans(),
)
def test_equals_the_generic_kernel(seed, sizes, ragged, dtype, reset_after, reverse, joined, **given_):
    ends = np.random.default_rng(seed + 1).integers(0, sizes[1] + 1, sizes[0]) if ragged else None
    options = {"reset_after": reset_after, "reverse": reverse}
    with pytest.MonkeyPatch.context() as patch:  # in either way of the products back
        patch.setattr(numpy_gru, "joins_gates", lambda rows, units: joined)
        ours = run(OURS, seed, sizes, ends, dtype, **given_, **options)
    theirs = run(GENERIC, seed, sizes, ends, dtype, **given_, **options)
    tolerance = 1e-10 if dtype == "float64" else 1e-3
    for one, other in zip(ours, theirs, strict=True):
        assert one.shape == other.shape and one.dtype == other.dtype
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("reset_after", [True, False])
@pytest.mark.parametrize("batch", [40, CHUNK_ROWS + 50])  # many steps to a chunk, and one
def test_longer_than_a_chunk(batch, reset_after):
    ends = np.random.default_rng(batch).integers(0, 41, batch)
    options = {"reset_after": reset_after, "reverse": False}
    ours, theirs = (
        run(backend, 0, (batch, 40, 3, 4), ends, "float64", True, True, (True, True), **options)
        for backend in (OURS, GENERIC)
    )
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9)
