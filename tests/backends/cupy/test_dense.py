"""Dense on the CuPy backend: gradients beside NumPy's, added where they lie, by one product."""

import numpy as np
import pytest

import lamina


def drawn(seed, *shapes):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape).astype(np.float32) for shape in shapes]


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("shape", [(4, 3), (2, 5, 3), (0, 3)])
def test_gradients_are_numpys_new_and_added(device, shape, turned):
    x, dy = drawn(0, shape, (*shape[:-1], 2))
    w, b, dw, db = drawn(1, (3, 2), (2,), (3, 2), (2,))
    if turned and len(shape) == 3:  # as a recurrent layer leaves it
        x, dy = (np.ascontiguousarray(one.swapaxes(0, 1)).swapaxes(0, 1) for one in (x, dy))
    _, saved = lamina.get_backend("numpy").dense_forward(x, w, b)
    dx, *expected = lamina.get_backend("numpy").dense_backward(dy, saved, w)
    x, dy, w, b, dw_there, db_there = (device.asarray(one) for one in (x, dy, w, b, dw, db))
    kernel = device.select("dense")
    got, *fresh = kernel.backward(dy, kernel.forward(x, w, b)[1], w)
    np.testing.assert_allclose(device.to_numpy(got), dx, rtol=1e-5, atol=1e-6)
    for own, other in zip(fresh, expected, strict=True):
        np.testing.assert_allclose(device.to_numpy(own), other, rtol=1e-5, atol=1e-6)
    given = kernel.backward(dy, kernel.forward(x, w, b)[1], w, gradients=lambda: (dw_there, db_there))
    assert given[1] is dw_there
    assert given[2] is db_there
    for own, other, before in zip(given[1:], expected, (dw, db), strict=True):
        np.testing.assert_allclose(device.to_numpy(own), other + before, rtol=1e-5, atol=1e-6)
    none = kernel.backward(dy, kernel.forward(x, w, b)[1], w, input_gradient=False, gradients=lambda: (dw_there, None))
    assert none[0] is None
    np.testing.assert_allclose(device.to_numpy(dw_there), 2 * expected[0] + dw, rtol=1e-5, atol=1e-6)
