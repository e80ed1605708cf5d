"""One run on a machine that has an NVIDIA GPU for some minutes: ``python -m benchmarks gpu``."""
