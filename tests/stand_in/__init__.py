"""A stand-in for CuPy 14.2 over NumPy, for machines without a GPU.

It takes what CuPy takes, refuses what CuPy refuses, and counts what a GPU would be asked for: kernel launches, copies
and waits, each with the line of the product that causes it. It proves nothing about speed, memory, or how a real device
rounds.

``signatures.json`` holds what an installed CuPy offers; ``make_signatures.py`` writes it, and tells whether it holds.
"""

from tests.stand_in.counting import ledger
from tests.stand_in.jitter import jitter
from tests.stand_in.module import cupy

__all__ = ["cupy", "jitter", "ledger"]
