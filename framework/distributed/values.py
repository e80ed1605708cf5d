"""Values of Python and arrays from rank to rank: as JSON and arrays, as in a checkpoint, and never pickled."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from lamina.backends import Backend
from lamina.core.model_bytes import to_bytes
from lamina.core.packed import Arrays, pack, unpack
from lamina.distributed.communicator import Communicator

__all__ = ["broadcast_value", "gather_values"]


def broadcast_value(
    communicator: Communicator, value: Any = None, root: int = 0, backend: Backend | None = None
) -> Any:
    """Return a rank's value, on each rank.

    Parameters
    ----------
    communicator : Communicator
    value : what `pack` can hold
        Of the root; others' is not looked at.
    root : int
    backend : Backend, optional
        Where arrays of a backend go.

    Raises
    ------
    CheckpointError
        If it holds something else.
    """
    size = np.zeros(1, np.int64)
    content = np.empty(0, np.uint8)
    if communicator.rank == root:
        arrays: Arrays = {}
        packed = json.dumps(pack(value, arrays))
        content = np.frombuffer(bytearray(b"".join(to_bytes(arrays, {"value": packed}))), np.uint8)
        size[0] = content.size
    communicator.broadcast(size, root)
    if communicator.rank != root:
        content = np.empty(int(size[0]), np.uint8)
    communicator.broadcast(content, root)
    if communicator.rank == root:
        return value
    return _read(content, backend)


def gather_values(communicator: Communicator, value: Any, backend: Backend | None = None) -> list[Any]:
    """Return the values of all ranks, in their order, on each rank."""
    return [broadcast_value(communicator, value, root, backend) for root in range(communicator.size)]


def _read(content: np.ndarray[Any, Any], backend: Backend | None) -> Any:
    from safetensors.numpy import load

    data = content.tobytes()
    length = int.from_bytes(data[:8], "little")
    metadata = json.loads(data[8 : 8 + length])["__metadata__"]
    return unpack(json.loads(metadata["value"]), load(data), backend)
