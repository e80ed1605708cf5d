"""Planned training steps: model, loss and optimizer lowered to kernels in a row, which a backend may run as one."""
