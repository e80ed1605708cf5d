"""NumPy's sLSTM equals the generic kernel, which its equations have proven, whatever the sizes."""

import pytest

from lamina.backends.numpy.gates import CHUNK_ROWS
from tests.backends.generic.test_slstm import GATES, proof
from tests.backends.kernel_proof import hold_equal

# One row over many steps, which goes in blocks of time; many steps to a chunk, and one.
SIZES = [(1, 100), (4, 150), (40, 20), (CHUNK_ROWS + 50, 3)]


@pytest.mark.parametrize("forget", GATES)
@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_equals_the_generic_kernel(forget: str, sizes: tuple[int, int], dtype: str) -> None:
    hold_equal("numpy", "reference", proof(forget), 0, sizes, dtype)
