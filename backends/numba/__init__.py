"""The Numba backend: NumPy's, with compiled steps of the recurrent layers."""
