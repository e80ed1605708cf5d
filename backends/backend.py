"""The backend interface: array primitives, every kernel once, and the choice of the kernel that runs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, ClassVar

from lamina.backends.errors import BackendError, UnknownNameError
from lamina.backends.generic.activations import ActivationKernels
from lamina.backends.generic.axis_normalization import AxisNormalizationKernels
from lamina.backends.generic.axis_softmax import AxisSoftmaxKernels
from lamina.backends.generic.class_losses import ClassLossKernels
from lamina.backends.generic.clipping import ClippingKernels
from lamina.backends.generic.convolution import ConvolutionKernels
from lamina.backends.generic.ctc import CTCKernels
from lamina.backends.generic.dense import DenseKernels
from lamina.backends.generic.dropout import DropoutKernels
from lamina.backends.generic.extended_simple_rnn import ExtendedSimpleRNNKernels
from lamina.backends.generic.gated_linear import GatedLinearKernels
from lamina.backends.generic.gru import GRUKernels
from lamina.backends.generic.ind_rnn import IndRNNKernels
from lamina.backends.generic.layer_norm_gru import LayerNormGRUKernels
from lamina.backends.generic.layer_norm_lstm import LayerNormLSTMKernels
from lamina.backends.generic.losses import LossKernels
from lamina.backends.generic.lru import LRUKernels
from lamina.backends.generic.lstm import LSTMKernels
from lamina.backends.generic.masked_attention import MaskedAttentionKernels
from lamina.backends.generic.matrix_updates import MatrixUpdateKernels
from lamina.backends.generic.min_rnn import MinRNNKernels
from lamina.backends.generic.one_step import StepKernels
from lamina.backends.generic.pooling import PoolingKernels
from lamina.backends.generic.random import RandomOperations
from lamina.backends.generic.rectifiers import RectifierKernels
from lamina.backends.generic.regression_losses import RegressionLossKernels
from lamina.backends.generic.rows import RowOperations
from lamina.backends.generic.shared_normalization import SharedNormalizationKernels
from lamina.backends.generic.simple_rnn import SimpleRNNKernels
from lamina.backends.generic.slstm import SLSTMKernels
from lamina.backends.generic.soft_activations import SoftActivationKernels
from lamina.backends.generic.transposed_convolution import TransposedConvolutionKernels
from lamina.backends.generic.updates import UpdateKernels
from lamina.backends.generic.uploads import UploadOperations
from lamina.backends.kernels import Kernel
from lamina.backends.program import Program
from lamina.backends.step import Step

__all__ = ["Backend"]


class Backend(
    SimpleRNNKernels,
    LSTMKernels,
    GRUKernels,
    ExtendedSimpleRNNKernels,
    LayerNormLSTMKernels,
    LayerNormGRUKernels,
    MinRNNKernels,
    LRUKernels,
    SLSTMKernels,
    IndRNNKernels,
    StepKernels,
    DenseKernels,
    ActivationKernels,
    RectifierKernels,
    SoftActivationKernels,
    GatedLinearKernels,
    AxisSoftmaxKernels,
    CTCKernels,
    RegressionLossKernels,
    ClassLossKernels,
    LossKernels,
    UpdateKernels,
    MatrixUpdateKernels,
    ClippingKernels,
    AxisNormalizationKernels,
    SharedNormalizationKernels,
    DropoutKernels,
    ConvolutionKernels,
    TransposedConvolutionKernels,
    PoolingKernels,
    MaskedAttentionKernels,
    RowOperations,
    RandomOperations,
    UploadOperations,
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

    #: Opens a backend by its name, so that a pickled one is the same one again: the registry sets it.
    open_by_name: ClassVar[Callable[[str], Backend]]

    #: In what the products of float32 can be computed: see `in_precision`.
    precisions: ClassVar[tuple[str, ...]] = ("fp32",)

    #: Whether `plan` makes steps of programs at all.
    plans_steps: ClassVar[bool] = False

    # What `select` has found: a layer asks once for every call.
    _selected: dict[Any, Kernel]

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
        key = (kernel, *options.items()) if options else kernel
        try:
            return self._selected[key]
        except KeyError:
            selected = self._selected[key] = self.find_kernel(kernel, options)
        except AttributeError:
            selected = self.find_kernel(kernel, options)
            self._selected = {key: selected}
        return selected

    def find_kernel(self, kernel: str, options: dict[str, Any]) -> Kernel:
        """Return what `select` does, found anew."""
        if kernel not in self.kernels:
            raise UnknownNameError(f"backend {self.name!r}: no kernel named {kernel!r}")
        own = self.pair(kernel)
        if kernel not in Backend.kernels:
            if not self.supports(kernel, **options):
                raise BackendError(f"backend {self.name!r}: its kernel {kernel!r}, the only one, takes no {options}")
            return Kernel(kernel, self.name, *own)
        generic = self.pair(kernel, Backend)
        is_own = own != generic and self.supports(kernel, **options)
        return Kernel(kernel, self.name, *own) if is_own else Kernel(kernel, "generic", *generic)

    def own_kernels(self) -> tuple[str, ...]:
        """Return the names of the kernels that this backend has itself, for some options at least."""
        return tuple(name for name, cls in self.kernels.items() if cls is not Backend.kernels.get(name))

    def in_precision(self, precision: str) -> AbstractContextManager[None]:
        """Return a context in which this thread computes the matrix products of float32 in another precision.

        Parameters
        ----------
        precision : str
            One of ``precisions``: ``"fp32"``, as it is; ``"tf32"``, the operands rounded to 10 bits after the point;
            ``"bf16"``, to 7. Sums are float32, and so is everything else.

        Raises
        ------
        BackendError
            If this backend does not have it.
        """
        if precision not in self.precisions:
            has = ", ".join(map(repr, self.precisions))
            raise BackendError(f"backend {self.name!r}: it has no precision {precision!r}, only {has}")
        return self.products_in(precision)

    def plan(self, program: Program, threads: int = 1) -> Step | None:
        """Return a program as a step that is run as one; None where this backend has no form of it.

        Parameters
        ----------
        program : Program
        threads : int
            Into how many blocks, each on a thread of its own, the rows may be dealt.
        """
        return None

    def why_not_planned(self, program: Program) -> str:
        """Return why `plan` returns None for a program, in a few words; empty where it returns a step."""
        return f"backend {self.name!r} plans no steps"

    def products_in(self, precision: str) -> AbstractContextManager[None]:
        """Return what `in_precision` does; a backend that has several precisions overrides it."""
        return nullcontext()

    def __repr__(self) -> str:
        return f"<Backend {self.name!r}>"

    def __deepcopy__(self, memo: dict[int, Any]) -> Backend:
        return self  # backends are shared: a copied model stays on the same one

    def __reduce__(self) -> tuple[Any, ...]:
        return Backend.open_by_name, (self.name,)
