"""Compiled passes of single kernels, for steps that are not planned: each reads and writes arrays as they lie."""
