"""The backend interface: array primitives, every kernel once, and the choice of the kernel that runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from lamina.backends.activations import ActivationKernels
from lamina.backends.attention import AttentionKernels
from lamina.backends.convolution import ConvolutionKernels
from lamina.backends.ctc import CTCKernels
from lamina.backends.dropout import DropoutKernels
from lamina.backends.errors import BackendError, UnknownNameError
from lamina.backends.gru import GRUKernels
from lamina.backends.lstm import LSTMKernels
from lamina.backends.normalization import NormalizationKernels
from lamina.backends.objectives import LossKernels
from lamina.backends.pooling import PoolingKernels
from lamina.backends.recurrent import RecurrentKernels
from lamina.backends.regression_objectives import RegressionLossKernels
from lamina.backends.rows import RowOperations
from lamina.backends.steps import StepKernels
from lamina.backends.updates import UpdateKernels

__all__ = ["Backend", "Kernel"]


class Kernel(NamedTuple):
    """A forward and backward pair that handles the options it was selected for.

    Attributes
    ----------
    name : str
        Such as ``"simple_rnn"``.
    source : str
        Whose it is: a backend's name, or ``"generic"`` for the base class's.
    forward, backward : callable
    """

    name: str
    source: str
    forward: Callable[..., Any]
    backward: Callable[..., Any]


class Backend(
    LSTMKernels,
    GRUKernels,
    RecurrentKernels,
    StepKernels,
    UpdateKernels,
    LossKernels,
    RegressionLossKernels,
    CTCKernels,
    ActivationKernels,
    NormalizationKernels,
    DropoutKernels,
    ConvolutionKernels,
    PoolingKernels,
    AttentionKernels,
    RowOperations,
):
    """Arrays and kernels of one array module; the base class of every backend.

    Every kernel is implemented here once, over ``self.xp`` and the array API standard. A subclass sets
    ``name``, ``xp`` and ``array_type`` and has a complete backend; it then overrides the kernels that it can
    run faster, always the forward and the backward of a pair together. Which options an override handles is
    asked beforehand with `supports`, never discovered by an exception.

    Examples
    --------
    >>> import lamina
    >>> backend = lamina.get_backend("numpy")
    >>> backend.select("simple_rnn", activation="tanh").source
    'numpy'
    >>> lamina.get_backend("reference").select("simple_rnn", activation="tanh").source
    'generic'
    """

    def supports(self, kernel: str, **options: Any) -> bool:
        """Tell whether this backend's own kernel handles the options; where it does not, the generic one runs.

        Parameters
        ----------
        kernel : str
            The kernel's name without ``_forward`` or ``_backward``.
        **options
            What the layer will pass by keyword, such as ``activation="relu"``.
        """
        return True

    def select(self, kernel: str, **options: Any) -> Kernel:
        """Return the kernel that runs for these options: this backend's own, or else the generic one.

        Raises
        ------
        UnknownNameError
            If there is no kernel of that name.
        BackendError
            If this backend's own kernel does not handle the options and there is no generic one.
        """
        # Kept per instance: a layer asks once for every call.
        cache: dict[Any, Kernel] = self.__dict__.setdefault("_selected", {})
        key = (kernel, *options.items()) if options else kernel
        selected = cache.get(key)
        if selected is None:
            selected = cache[key] = self.find_kernel(kernel, options)
        return selected

    def find_kernel(self, kernel: str, options: dict[str, Any]) -> Kernel:
        """Return what `select` does, found anew."""
        forward, backward = f"{kernel}_forward", f"{kernel}_backward"
        if not (hasattr(self, forward) and hasattr(self, backward)):
            raise UnknownNameError(f"backend {self.name!r}: no kernel named {kernel!r}")
        generic = getattr(Backend, forward, None)
        own = getattr(type(self), forward) is not generic and self.supports(kernel, **options)
        if generic is None and not own:
            raise BackendError(f"backend {self.name!r}: its kernel {kernel!r}, the only one, takes no {options}")
        owner = type(self) if own else Backend
        return Kernel(
            kernel,
            "generic" if owner is Backend else self.name,
            getattr(owner, forward).__get__(self),
            getattr(owner, backward).__get__(self),
        )

    def __repr__(self) -> str:
        return f"<Backend {self.name!r}>"

    def __deepcopy__(self, memo: dict[int, Any]) -> Backend:
        return self  # backends are shared: a copied model stays on the same one

    def __reduce__(self) -> tuple[Any, ...]:
        from lamina.backends.registry import get_backend

        return get_backend, (self.name,)
