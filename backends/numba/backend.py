"""The Numba backend: NumPy's, with compiled passes of what takes time, and with plans of whole training steps."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import ClassVar

from lamina.backends.errors import BackendError
from lamina.backends.numba.attention import NumbaAttentionKernels
from lamina.backends.numba.convolution import NumbaConvolutionKernels
from lamina.backends.numba.ctc import NumbaCTCKernels
from lamina.backends.numba.gru import NumbaGRUKernels
from lamina.backends.numba.ind_rnn import NumbaIndRNNKernels
from lamina.backends.numba.lru import NumbaLRUKernels
from lamina.backends.numba.lstm import NumbaLSTMKernels
from lamina.backends.numba.min_rnn import NumbaMinRNNKernels
from lamina.backends.numba.normalization import NumbaBatchNormKernels, NumbaNormalizationKernels
from lamina.backends.numba.random import NumbaRandom
from lamina.backends.numba.recurrence import PassMemory
from lamina.backends.numba.simple_rnn import NumbaSimpleRNNKernels
from lamina.backends.numba.slstm import NumbaSLSTMKernels
from lamina.backends.numpy.backend import NumPyBackend
from lamina.backends.numpy.threads import Cut
from lamina.backends.program import Program
from lamina.backends.step import Step

__all__ = ["NumbaBackend"]

_INSTALL = "pip install -e '.[numba]'"


class NumbaBackend(
    NumbaSimpleRNNKernels,
    NumbaLSTMKernels,
    NumbaGRUKernels,
    NumbaSLSTMKernels,
    NumbaMinRNNKernels,
    NumbaLRUKernels,
    NumbaIndRNNKernels,
    NumbaAttentionKernels,
    NumbaConvolutionKernels,
    NumbaBatchNormKernels,
    NumbaNormalizationKernels,
    NumbaCTCKernels,
    NumbaRandom,
    NumPyBackend,
):
    """NumPy's arrays and kernels, but what takes time as one compiled pass each: recurrent layers, attention and so on.

    What has no compiled form runs as NumPy's.

    Raises
    ------
    BackendError
        If Numba is not installed.
    """

    name = "numba"
    plans_steps = True

    # A pass is one call that leaves Python to the other threads; of one and two rows it is another one.
    in_blocks: ClassVar[Mapping[str, Cut]] = {
        **NumPyBackend.in_blocks,
        "simple_rnn": Cut(3, 2_000_000, whole=True, fewest=3),
        "lstm": Cut(3, 2_000_000, whole=True, fewest=3),
        "extended_lstm": Cut(3, 2_000_000, whole=True, fewest=3, by_rows=("state_mask",)),
        "extended_simple_rnn": Cut(3, 2_000_000, whole=True, fewest=3, by_rows=("state_mask",)),
        "gru": Cut(4, 2_000_000, whole=True, fewest=3),
        "extended_gru": Cut(4, 2_000_000, whole=True, fewest=3, by_rows=("state_mask",)),
        "slstm": Cut(3, 2_000_000, whole=True, fewest=3),
        # Of so few rows all together that weights are not packed, bits are others.
        **{
            name: NumPyBackend.in_blocks[name]._replace(least=2_000_000, whole=True, fewest=9)
            for name in ("min_gru", "min_lstm", "lru", "ind_rnn")
        },
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
        self.passes = PassMemory()
        try:
            self.hashing = import_module("lamina.backends.numba.hashing")
        except ImportError as error:
            raise BackendError(f"backend 'numba': Numba is not installed ({error}); {_INSTALL}") from error
