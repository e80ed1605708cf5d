"""Lamina beside its rivals on a CPU, each in a process of its own: ``python -m benchmarks cpu``."""
