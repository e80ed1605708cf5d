"""CTC as one compiled pass, beside the generic kernel in float64."""

import numpy as np
import pytest

pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")

import lamina
from lamina.backends.numpy.ctc import LEAST
from tests.backends.numba.against import BOUNDS, DTYPES, ends_of, on_threads, reference


def draw(rng, dtype, size):
    """Return what the kernel takes, and its options."""
    batch, time, classes = rng.integers(1, 6), rng.integers(1, rng.choice([4, 20, 60])), rng.integers(2, 30)
    width, blank = rng.integers(1, max(2, time // 2 + 2)), int(rng.integers(0, classes))
    labels = rng.integers(0, classes - 1, (batch, width))
    labels += labels >= blank
    counts = rng.integers(0, width + 1, batch)
    labels[np.arange(width) >= counts[:, None]] = -(10**9)  # nobody may look there
    lengths, (logits,) = ends_of(rng, batch, time, (size * rng.normal(size=(batch, time, classes))).astype(dtype))
    weights = rng.random(batch).astype(dtype)
    weights[rng.random(batch) < 0.2] = 0
    options = {"blank": blank, "zero_infinity": bool(rng.random() < 0.5), "each": bool(rng.random() < 0.5)}
    return (logits, labels, counts, lengths, weights), options


def both(given, options):
    """Return loss and gradient of the compiled kernel, and of the generic one in float64."""
    logits, labels, counts, lengths, weights = given
    found, saved = lamina.get_backend("numba").ctc_forward(*given, **options)
    known = np.where(np.arange(labels.shape[1]) < counts[:, None], labels, 0)
    exact = logits.astype(np.float64), known, counts, lengths, weights.astype(np.float64)
    with np.errstate(all="ignore"):
        expected, kept = reference().ctc_forward(*exact, **options)
        return (found, lamina.get_backend("numba").ctc_backward(saved)), (expected, reference().ctc_backward(kept))


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("size", [1, 40])
@pytest.mark.parametrize("dtype", DTYPES)
def test_it_is_the_generic_kernel(dtype, size, threads, monkeypatch):
    rng = np.random.default_rng(size)
    on_threads(monkeypatch, lamina.get_backend("numba"), threads)
    for _ in range(60):
        given, options = draw(rng, dtype, size)
        for one, other in zip(*both(given, options), strict=True):
            one, other = np.asarray(one), np.asarray(other)
            assert one.dtype == dtype
            finite = np.isfinite(other)
            assert np.array_equal(one[~finite], other[~finite], equal_nan=True)
            atol = BOUNDS[dtype] * max(np.abs(other[finite]).max(initial=0), 1)
            np.testing.assert_allclose(one[finite], other[finite], rtol=0, atol=atol)


def test_labels_next_to_impossible_are_computed_all_the_same():
    logits = np.zeros((2, 200, 3))
    logits[0, :, 1] = -50.0  # its label is e^-50 as probable as the others, at each of so many steps
    labels, counts = np.array([[1] * 100, [1] * 100]), np.array([100, 100])
    (loss, gradient), (expected, exact) = both((logits, labels, counts, None, np.ones(2)), {"each": True})
    assert np.exp(-loss[0]) < LEAST
    np.testing.assert_allclose(loss, expected, rtol=1e-10)
    np.testing.assert_allclose(gradient, exact, atol=1e-9)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("likely", ["blanks before", "blanks behind", "blanks around"])
def test_long_rows_of_blanks_are_computed(likely, dtype):
    steps, count = 2000, 3
    logits = np.full((1, steps, 5), -9.0)
    logits[0, :, 0] = 0
    first = {"blanks before": steps - count, "blanks behind": 0, "blanks around": steps // 2}[likely]
    labels = np.array([[1, 3, 4]])
    for place, label in enumerate(labels[0], first):
        logits[0, place] = -9.0
        logits[0, place, label] = 0
    given = logits.astype(dtype), labels, np.array([count]), None, np.ones(1, dtype)
    (loss, gradient), (expected, exact) = both(given, {"each": True})
    # A probability near 1 is rounded the same way at each step.
    np.testing.assert_allclose(loss, expected, rtol=3 * steps * np.finfo(dtype).eps)
    np.testing.assert_allclose(gradient, exact, atol=10 * BOUNDS[dtype])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_is_seen_in_its_row(value):
    logits = np.zeros((3, 4, 5), np.float32)
    logits[1, 2, 3] = value
    loss, saved = lamina.get_backend("numba").ctc_forward(
        logits, np.ones((3, 1), np.int64), np.ones(3, np.int64), None, np.ones(3, np.float32), each=True
    )
    assert np.isfinite(loss).tolist() == [True, False, True]
    gradient = lamina.get_backend("numba").ctc_backward(saved)
    assert np.isfinite(gradient[[0, 2]]).all()
    assert np.isnan(gradient[1]).any() == np.isnan(value)


def test_no_steps_are_no_steps():
    backend = lamina.get_backend("numba")
    given = np.zeros((2, 0, 3)), np.ones((2, 1), np.int64), np.zeros(2, np.int64), None, np.ones(2)
    loss, saved = backend.ctc_forward(*given, each=True)
    assert loss.tolist() == [0, 0]
    assert backend.ctc_backward(saved).shape == (2, 0, 3)
