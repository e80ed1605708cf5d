"""PyTorch with `torch.compile`, which unrolls the time axis: short sequences alone, as it takes a second a step."""

from __future__ import annotations

import torch

from benchmarks.cpu.contestants import pytorch
from benchmarks.cpu.prepared import Prepared
from benchmarks.cpu.work import Training

__all__ = ["start", "training"]

_LONGEST = 28


def start(threads: int) -> None:
    """Set the number of threads, and have recurrent layers compiled, which by default are left as they are."""
    pytorch.start(threads)
    torch._dynamo.config.allow_rnn = True
    # What it compiles of an LSTM fails on the one operation that oneDNN has for it.
    torch.backends.mkldnn.enabled = False


def training(work: Training) -> Prepared:
    """Return a training step with compiled forward and backward passes."""
    if work.time > _LONGEST:
        raise NotImplementedError(f"sequences of more than {_LONGEST} steps take minutes to compile")
    return pytorch.train(work, compiled=True)
