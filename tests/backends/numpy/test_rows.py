import numpy as np
import pytest

import lamina


@pytest.mark.parametrize("count", [7, 500, 100_000], ids=["many of each", "some of each", "few of each"])
def test_sums_are_those_of_the_equation_at_real_sizes(count):
    rng = np.random.default_rng(0)
    ids, rows = rng.integers(0, count, 3200), rng.standard_normal((3200, 16))
    unique, sums = lamina.get_backend("numpy").sum_rows(ids, rows)
    assert np.array_equal(unique, np.unique(ids))
    np.testing.assert_allclose(sums, (unique[:, None] == ids).astype(float) @ rows, atol=1e-12)


def test_no_ids_have_no_sums():
    unique, sums = lamina.get_backend("numpy").sum_rows(np.zeros(0, np.int64), np.zeros((0, 2)))
    assert unique.shape == (0,) and sums.shape == (0, 2)
