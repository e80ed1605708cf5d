"""NumPy's LSTM equals the generic kernel, which PyTorch has proven, whatever the shapes, lengths and direction."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lamina
import lamina.backends.numpy.lstm as numpy_lstm
from lamina.backends.numpy.gates import CHUNK_ROWS

OURS, GENERIC = lamina.get_backend("numpy"), lamina.get_backend("reference")
SIZES = st.tuples(st.integers(0, 5), st.integers(0, 6), st.integers(1, 4), st.integers(1, 5))


def frozen(array):
    if array is not None:
        array.flags.writeable = False
    return array


def same(ours, theirs, tolerance):
    assert ours.shape == theirs.shape and ours.dtype == theirs.dtype
    np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)


def draw_arrays(seed, sizes, lengths, dtype, with_bias, with_state, gates, nan):
    batch, time, features, units = sizes
    rng = np.random.default_rng(seed)

    def numbers(*shape):
        return frozen(rng.standard_normal(shape).astype(dtype))

    ends = rng.integers(0, time + 1, batch) if lengths else None
    x = np.array(numbers(batch, time, features))
    if ends is not None and nan:
        x[np.arange(time) >= ends[:, None]] = np.nan
    weights = numbers(features, gates * units), numbers(units, gates * units)
    dh = np.array(numbers(batch, time, units))
    if ends is not None and nan:
        dh[np.arange(time) >= ends[:, None]] = np.nan
    bias = numbers(gates * units) if with_bias else None
    states = [numbers(batch, units) if with_state else None for _ in range(2)]
    dy = [frozen(dh), numbers(batch, units), numbers(batch, units)]
    return frozen(x), weights, bias, states, ends, dy


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 999),
    sizes=SIZES,
    lengths=st.booleans(),
    reverse=st.booleans(),
    dtype=st.sampled_from(["float64", "float32"]),
    with_bias=st.booleans(),
    with_state=st.booleans(),
    given_gradients=st.tuples(st.booleans(), st.booleans(), st.booleans()),
    joined=st.booleans(),
)
def test_equals_the_generic_kernel(
    seed, sizes, lengths, reverse, dtype, with_bias, with_state, given_gradients, joined
):
    with pytest.MonkeyPatch.context() as patch:  # so in either way of the products back
        patch.setattr(numpy_lstm, "joins_gates", lambda rows, units: joined)
        require_equal(seed, sizes, lengths, reverse, dtype, with_bias, with_state, given_gradients)


def require_equal(seed, sizes, lengths, reverse, dtype, with_bias, with_state, given_gradients):
    x, (w_x, w_h), b, (h, c), ends, dy = draw_arrays(seed, sizes, lengths, dtype, with_bias, with_state, 4, nan=True)
    dy = [gradient if wanted else None for gradient, wanted in zip(dy, given_gradients, strict=True)]
    tolerance = 1e-10 if dtype == "float64" else 1e-3
    results = []
    for backend in (OURS, GENERIC):
        outputs, last, saved = backend.lstm_forward(x, w_x, w_h, b, h, c, ends, reverse=reverse)
        dx, dw_x, dw_h, db, first = backend.lstm_backward(*dy, saved, w_x, w_h)
        results.append([outputs, *last, dx, dw_x, dw_h, db, *first])
    for ours, theirs in zip(*results, strict=True):
        same(ours, theirs, tolerance)


@pytest.mark.parametrize("batch", [40, CHUNK_ROWS + 50])  # many steps to a chunk, and one
def test_longer_than_a_chunk(batch):
    rng = np.random.default_rng(batch)
    ends = rng.integers(0, 41, batch)
    x, (w_x, w_h), b, (h, c), _, dy = draw_arrays(0, (batch, 40, 3, 4), False, "float64", True, True, 4, nan=False)
    results = []
    for backend in (OURS, GENERIC):
        outputs, last, saved = backend.lstm_forward(x, w_x, w_h, b, h, c, ends)
        dx, dw_x, dw_h, db, first = backend.lstm_backward(*dy, saved, w_x, w_h)
        results.append([outputs, *last, dx, dw_x, dw_h, db, *first])
    for ours, theirs in zip(*results, strict=True):
        same(ours, theirs, 1e-9)


def test_a_pass_leaves_what_another_one_returned_alone():
    x, (w_x, w_h), b, (h, c), ends, dy = draw_arrays(1, (4, 6, 3, 5), True, "float64", True, True, 4, nan=True)
    outputs, _, saved = OURS.lstm_forward(x, w_x, w_h, b, h, c, ends)
    frozen(outputs)  # the next layer's input; the backward pass reads it too
    _, _, other = OURS.lstm_forward(np.where(np.isnan(x), x, 1), w_x, w_h, b, None, None, ends)
    alone = OURS.lstm_forward(x, w_x, w_h, b, h, c, ends)
    OURS.lstm_backward(*dy, other, w_x, w_h)
    same(outputs, alone[0], 0)
    results = (OURS.lstm_backward(*dy, each, w_x, w_h) for each in (saved, alone[2]))
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_last_states_do_not_hold_the_whole_pass_in_memory():
    x, (w_x, w_h), b, (h, c), _, _ = draw_arrays(0, (2, 5, 3, 4), False, "float32", True, True, 4, nan=False)
    _, last, _ = OURS.lstm_forward(x, w_x, w_h, b, h, c, None)
    assert all(state.base is None or state.base.nbytes == state.nbytes for state in last)
