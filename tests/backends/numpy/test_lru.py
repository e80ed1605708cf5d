"""NumPy's linear recurrent unit equals the generic kernel, which its equations have proven, whatever the sizes."""

import pytest

from lamina.backends.numpy.gates import CHUNK_ROWS
from tests.backends.generic.test_lru import proof
from tests.backends.kernel_proof import hold_equal

# One row over many steps, which goes in blocks of time; many steps to a chunk, and one.
SIZES = [(1, 100), (4, 150), (40, 20), (CHUNK_ROWS + 50, 3)]


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_equals_the_generic_kernel(sizes: tuple[int, int], dtype: str) -> None:
    hold_equal("numpy", "reference", proof(), 0, sizes, dtype)
