"""The Numba backend: NumPy's, with what happens between a recurrent layer's matrix products compiled."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import ClassVar

from lamina.backends.errors import BackendError
from lamina.backends.numba.attention import NumbaAttentionKernels
from lamina.backends.numba.convolution import NumbaConvolutionKernels
from lamina.backends.numba.ctc import NumbaCTCKernels
from lamina.backends.numba.gru import NumbaGRUKernels
from lamina.backends.numba.lstm import NumbaLSTMKernels
from lamina.backends.numba.normalization import NumbaBatchNormKernels, NumbaNormalizationKernels
from lamina.backends.numba.random import NumbaRandom
from lamina.backends.numba.simple_rnn import NumbaSimpleRNNKernels
from lamina.backends.numpy.backend import NumPyBackend
from lamina.backends.program import Program, Step

__all__ = ["NumbaBackend"]

_INSTALL = "pip install -e '.[numba]'"


class NumbaBackend(
    NumbaSimpleRNNKernels,
    NumbaLSTMKernels,
    NumbaGRUKernels,
    NumbaAttentionKernels,
    NumbaConvolutionKernels,
    NumbaBatchNormKernels,
    NumbaNormalizationKernels,
    NumbaCTCKernels,
    NumbaRandom,
    NumPyBackend,
):
    """NumPy's arrays and kernels, but the steps of LSTM and GRU, and random masks, as one compiled pass each.

    One row alone, as in inference, runs compiled as a whole. GRU without ``reset_after``, SimpleRNN with relu, and
    float64 run as NumPy's.

    Raises
    ------
    BackendError
        If Numba is not installed.
    """

    name = "numba"
    plans_steps = True

    # Compiled steps leave Python to the other threads for longer.
    in_blocks: ClassVar[Mapping[str, tuple[int, int]]] = {
        **NumPyBackend.in_blocks,
        "lstm": (3, 500_000),
        "gru": (4, 500_000),
    }

    def plan(self, program: Program, threads: int = 1) -> Step | None:
        """Return a program as a plan of the compiled engine; None where a kernel has no compiled form."""
        if self.why_not_planned(program):
            return None
        made: Step = import_module("lamina.backends.numba.engine.plan").Plan(program, threads)
        return made

    def why_not_planned(self, program: Program) -> str:
        """Return which kernel of a program has no compiled form; empty where all have one."""
        reason: str = import_module("lamina.backends.numba.engine.forms.every").refusal(program)
        return reason

    def __init__(self) -> None:
        super().__init__()
        try:
            self.compiled = import_module("lamina.backends.numba.steps")
            self.hashing = import_module("lamina.backends.numba.hashing")
        except ImportError as error:
            raise BackendError(f"backend 'numba': Numba is not installed ({error}); {_INSTALL}") from error
