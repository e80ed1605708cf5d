"""PyTorch, and the device that it computes on: the GPU; in a rehearsal the CPU, with what its ``cuda`` lacks there."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from importlib import import_module
from typing import Any

from benchmarks.gpu.precision import NotThere
from benchmarks.gpu.rehearsal import rehearsing

__all__ = ["open_torch"]


class _Graph:
    """Stands for ``torch.cuda.CUDAGraph``: replaying does nothing, as what was captured was computed."""

    def __init__(self) -> None:
        self.captured = False

    def replay(self) -> None:
        """Do nothing, after a capture."""
        if not self.captured:
            raise RuntimeError("a graph is replayed that nothing was captured in")


class _Stream:
    """Stands for ``torch.cuda.Stream``."""

    def wait_stream(self, other: _Stream) -> None:
        """Do nothing: all is done in order."""


def _capture(graph: _Graph) -> AbstractContextManager[None]:
    graph.captured = True
    return nullcontext()


def _put_in_place(torch: Any) -> None:
    torch.set_num_threads(1)
    stream = _Stream()
    torch.cuda.CUDAGraph, torch.cuda.graph, torch.cuda.Stream = _Graph, _capture, _Stream
    torch.cuda.stream = lambda stream: nullcontext()
    torch.cuda.current_stream = lambda: stream
    torch.cuda.synchronize = torch.cuda.empty_cache = lambda: None


def open_torch() -> tuple[Any, str]:
    """Return PyTorch and the name of the device.

    Raises
    ------
    NotThere
        If it is not installed, or finds no GPU.
    """
    try:
        torch: Any = import_module("torch")
    except ImportError as error:
        raise NotThere(f"not there: PyTorch ({error})") from error
    if rehearsing():
        _put_in_place(torch)
        return torch, "cpu"
    if not torch.cuda.is_available():
        raise NotThere(f"not there: PyTorch {torch.__version__} finds no GPU")
    return torch, "cuda"
