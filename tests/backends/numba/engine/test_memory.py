"""What tells compiled functions apart."""

import os
import subprocess
import sys

import pytest

pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")

_PRODUCT = """
import ctypes
import sys

import numpy as np

from lamina.backends.numba.engine import functions, products

for name in sys.argv[1:]:
    functions.products_ready(name)
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(7, 5)).astype(name), rng.normal(size=(5, 9)).astype(name)
    packed, c = np.zeros(products.packed_size(5, 9, name), name), np.zeros((7, 9), name)
    at = [array.ctypes.data for array in (a, b, packed, c)]
    words = [ctypes.c_ssize_t] * 12
    pack = ctypes.CFUNCTYPE(None, *words[:8])(functions.address_of("products", f"pack_{name}", products.PACK))
    multiply = ctypes.CFUNCTYPE(None, *words)(functions.address_of("products", f"product_{name}", products.PRODUCT))
    pack(5, 9, at[1], 9, 1, at[2], 0, 5)
    multiply(7, 9, 5, at[0], 5, 1, at[2], 0, 5, at[3], 9, 0)
    np.testing.assert_allclose(c, a @ b, rtol=1e-5, err_msg=name)
"""


def test_what_is_read_from_the_cache_is_not_taken_for_what_is_compiled(tmp_path):
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    for names in (["float32"], ["float32", "float64"], ["float64", "float32"]):
        run = subprocess.run(
            [sys.executable, "-c", _PRODUCT, *names], env=environment, capture_output=True, text=True, timeout=300
        )
        assert run.returncode == 0, run.stderr
