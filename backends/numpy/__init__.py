"""The NumPy backend: arrays on the CPU, and kernels of its own for what takes time."""
