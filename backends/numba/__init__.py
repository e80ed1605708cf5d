"""The Numba backend: NumPy's, with compiled passes, and plans of whole training steps."""
