"""Bytes of a file, damaged at random."""

from __future__ import annotations

import numpy as np

__all__ = ["damaged"]


def damaged(content: bytes, rng: np.random.Generator) -> bytes:
    """Return bytes, some of them others, or cut, or more."""
    found = bytearray(content)
    way = int(rng.integers(4))
    if way == 0:
        return bytes(found[: int(rng.integers(len(found)))])
    if way == 1:
        found[:8] = int(rng.choice([0, 1, len(content), 2**24, 2**32, 2**62])).to_bytes(8, "little")
    elif way == 2:
        found += bytes(int(rng.integers(1, 100)))
    else:
        for _ in range(int(rng.integers(1, 9))):
            found[int(rng.integers(len(found)))] = int(rng.integers(256))
    return bytes(found)
