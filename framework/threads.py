"""The threads of NumPy's matrix products, for work in which sharing them costs more than it gains."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from lamina.backends.numpy_threads import products_on_one_thread

__all__ = ["THREAD_VARIABLES", "single_threaded"]

#: What sets the number of threads of the usual libraries, each library's own name before the common one.
THREAD_VARIABLES = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "OMP_NUM_THREADS")


@contextmanager
def single_threaded(wanted: bool = True) -> Iterator[bool]:
    """Let everything run on one thread in the block: NumPy's matrix products, and the blocks of recurrent layers.

    Yields whether it does: it knows the OpenBLAS that NumPy's wheels bring with them; with another library it changes
    nothing.

    Parameters
    ----------
    wanted : bool
        False changes nothing either.
    """
    if not wanted:
        yield False
        return
    with products_on_one_thread() as limited:
        yield limited
