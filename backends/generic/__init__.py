"""The generic kernels: every kernel once, over any array module that follows the array API standard."""
