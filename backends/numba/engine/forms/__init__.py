"""Compiled forms of kernels: one file a kernel, or a family of them."""
