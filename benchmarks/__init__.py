"""Lamina beside its rivals, in one process and one run: ``python -m benchmarks``."""
