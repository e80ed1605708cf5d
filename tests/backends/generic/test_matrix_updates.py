"""Updates of whole parameters by hand, and the sums that an optimizer needs; steps in turn: tests/optimizers."""

import math

import numpy as np
import pytest

from lamina.backends import Backend, get_backend
from lamina.testing import register_strict_backend


@pytest.fixture(params=["numpy", "reference", "array-api-strict"])
def backend(request: pytest.FixtureRequest) -> Backend:
    register_strict_backend()
    return get_backend(request.param)


SETTINGS = {"lr": 0.5, "decay_power": 1.0, "epsilon": 1e-3, "epsilon_step": None, "clip_threshold": None, "step": 2}


def test_adafactor_of_a_matrix_by_hand(backend: Backend) -> None:
    data, gradient = backend.asarray(np.zeros((2, 2))), backend.asarray(np.array([[1.0, 3.0], [3.0, 9.0]]))
    rows, columns = backend.asarray(np.array([[1.0], [9.0]])), backend.asarray(np.array([[4.0, 6.0]]))
    backend.adafactor_update(data, gradient, rows, columns, None, None, **SETTINGS)
    # s = 1 / 2; means of squares (1 + 9) / 2 and (9 + 81) / 2, of rows and of columns; mean of rows (3 + 27) / 2
    assert backend.to_numpy(rows).tolist() == [[3], [27]]
    assert backend.to_numpy(columns).tolist() == [[4.5, 25.5]]
    expected = [[-0.5 * g / math.sqrt(r * c / 15) for g, c in zip(own, (4.5, 25.5), strict=True)]
                for own, r in (((1.0, 3.0), 3.0), ((3.0, 9.0), 27.0))]  # fmt: skip
    np.testing.assert_allclose(backend.to_numpy(data), expected, rtol=1e-14)


def test_adafactor_with_everything_by_hand(backend: Backend) -> None:
    data, gradient = (backend.asarray(np.array(values)) for values in ([6.0, 8.0], [2.0, 0.0]))
    square, mean = backend.asarray(np.array([4.0, 0.0])), backend.asarray(np.array([1.0, 1.0]))
    settings = {**SETTINGS, "epsilon_step": 1e-3, "clip_threshold": 0.5, "beta1": 0.75, "weight_decay": 0.5}
    backend.adafactor_update(data, gradient, None, None, square, mean, **settings)
    # a = sqrt((36 + 64) / 2) * min(0.5, 1 / sqrt(2)); u = (1, 0), whose rms is sqrt(1 / 2), down to 0.5
    change = 0.5 * math.sqrt(50) * 0.5 / math.sqrt(0.5)
    assert backend.to_numpy(square).tolist() == [4, 0]
    np.testing.assert_allclose(backend.to_numpy(mean), [0.75 + 0.25 * change, 0.75], rtol=1e-14)
    np.testing.assert_allclose(backend.to_numpy(data), [4.5 - 0.75 - 0.25 * change, 6 - 0.75], rtol=1e-14)


@pytest.mark.parametrize("shape", [(0,), (0, 3), (2, 0)])
def test_nothing_is_done_to_no_elements(backend: Backend, shape: tuple[int, ...]) -> None:
    empty = backend.zeros(shape, backend.dtype("float64"))
    backend.adafactor_update(empty, empty, None, None, empty, None, **SETTINGS)
    assert backend.extent(empty) == (0.0, 0.0)
    assert backend.inner(empty, empty) == 0.0


@pytest.mark.parametrize("nesterov", [False, True])
def test_muon_by_hand(backend: Backend, nesterov: bool) -> None:
    """Of one column x is its direction, whose length s goes to a s + b s^3 + c s^5, from 1."""
    data, gradient, mean = (backend.asarray(np.array(one)) for one in ([[2.0], [2.0]], [[3.0], [4.0]], [[1.0], [0.0]]))
    backend.muon_update(
        data, gradient, mean, lr=0.5, momentum=0.5, nesterov=nesterov, iterations=1, factor=3.0, weight_decay=0.5
    )
    assert backend.to_numpy(mean).tolist() == [[2], [2]]
    direction = np.array([[2.5], [3.0]] if nesterov else [[2.0], [2.0]])
    length = 3.4445 - 4.775 + 2.0315
    expected = 1.5 - 1.5 * length * direction / np.linalg.norm(direction)
    np.testing.assert_allclose(backend.to_numpy(data), expected, rtol=1e-14)


@pytest.mark.parametrize("shape", [(30, 8), (8, 30), (12, 12)])
def test_singular_vectors_are_kept_and_values_brought_near_1(backend: Backend, shape: tuple[int, int]) -> None:
    matrix = np.random.default_rng(0).standard_normal(shape)
    left, values, right = np.linalg.svd(matrix, full_matrices=False)
    values = values / np.linalg.norm(values)
    for _ in range(5):
        values = 3.4445 * values - 4.775 * values**3 + 2.0315 * values**5
    found = backend.to_numpy(backend.orthogonalized(backend.asarray(matrix), 5))
    np.testing.assert_allclose(found, left * values @ right, atol=1e-12)
    assert 0.6 < values.min() < values.max() < 1.3


def test_sums(backend: Backend) -> None:
    a, b = backend.asarray(np.array([[1.0, -4.0], [2.0, 0.5]])), backend.asarray(np.array([[2.0, 1.0], [3.0, 4.0]]))
    assert backend.inner(a, b) == 2 - 4 + 6 + 2
    assert backend.extent(a) == (4.0, 7.5)
