"""NumPy's independently recurrent layer equals the generic kernel, which its equation has proven, at any size."""

import pytest

from lamina.backends.numpy.gates import CHUNK_ROWS
from tests.backends.generic.test_ind_rnn import ACTIVATIONS, proof
from tests.backends.kernel_proof import hold_equal

# One row over many steps, which goes in blocks of time; many steps to a chunk, and one.
SIZES = [(1, 100), (4, 150), (40, 20), (CHUNK_ROWS + 50, 3)]


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_equals_the_generic_kernel(activation: str, sizes: tuple[int, int], dtype: str) -> None:
    hold_equal("numpy", "reference", proof(activation), 0, sizes, dtype)
