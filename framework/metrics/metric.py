"""The metric: a figure that a person reads off a training run, gathered over many batches."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, ClassVar, Self

import numpy as np

from lamina.backends import Array, Backend, backend_of
from lamina.core.config import Configured, arguments_of
from lamina.core.host import as_array, as_host, refuse_masked
from lamina.core.packed import kept_by, put_back
from lamina.core.registry import Registry
from lamina.core.shapes import Lengths, as_lengths
from lamina.errors import ArgumentError, CheckpointError, ShapeError
from lamina.metrics.weights import add_up, check_weight, read_weight, refuse_weight, takes_weight

__all__ = ["Metric"]


class Metric(Configured):
    """A figure gathered batch by batch.

    One of your own defines three methods and is known by name once registered::

        reset(self)                                          forget all batches
        update(self, prediction, target, lengths, backend)   count one batch
        result(self) -> float                                of all batches so far; called at any time

    An update that also takes ``sample_weight=None`` is given weights where there are some; with one that does not,
    weights are refused. Between batches it keeps counts alone, as arrays where they are made: only ``result`` waits
    for a device.

    Attributes
    ----------
    name : str
        What it is called in a history; made from the class's name if not set.
    higher_is_better : bool
    gives_array : bool
        Whether the result is an array: of a `Trainer`'s, those of all epochs stand in ``history.arrays``, and no
        callback can watch them.
    takes_sample_weight : bool
        Whether ``update`` takes weights: found from its signature.
    sums : tuple of str
        Of the class: which attributes are sums over the batches, beside those that its bases name. What several
        ranks have counted is then put together by adding these up: see `merge`.

    Examples
    --------
    >>> import lamina
    >>> lamina.metrics.Accuracy()([[2.0, 0.0], [0.0, 1.0]], [0, 0])  # of one batch, by itself
    0.5
    """

    registry: ClassVar[Registry[Metric]] = Registry("metric")
    name: str = ""
    higher_is_better: bool = True
    gives_array: bool = False
    takes_sample_weight: bool = False
    sums: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "update" in vars(cls):
            if "takes_sample_weight" not in vars(cls):
                cls.takes_sample_weight = takes_weight(vars(cls)["update"])
            cls.update = _guarded(vars(cls)["update"])  # type: ignore[method-assign]
        if "check_target" in vars(cls) and not takes_weight(vars(cls)["check_target"]):
            cls.check_target = _unweighted(vars(cls)["check_target"])  # type: ignore[method-assign]
        if "name" not in vars(cls):
            cls.name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__).lower()

    def reset(self) -> None:
        """Forget all batches."""
        raise NotImplementedError(f"{type(self).__name__} does not define reset")

    def update(
        self,
        prediction: Array,
        target: Array,
        lengths: Lengths | None,
        backend: Backend,
        sample_weight: Array | None = None,
    ) -> None:
        """Count one batch.

        Parameters
        ----------
        prediction : (batch, ...) array
            Not to be written into; nor is the target.
        target : array of the same backend
        lengths : (batch,) int64 on the host, or None
            Steps of (batch, time, ...) past a row's end do not count.
        backend : Backend
        sample_weight : (batch,) or (batch, time), or None
            0 or more, on the host or of the backend; an update gets float64 of the backend. A whole weight counts as
            so many rows, or steps, alike; of weight 0 is what is as if it were not there.

        Raises
        ------
        ArgumentError
            If there are weights and the update takes none.
        ShapeError, DTypeError, DataError
            If they are no weights; a device's are not looked at.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define update")

    def result(self) -> Any:
        """Return the figure for all batches since `reset`; NaN where nothing was counted."""
        raise NotImplementedError(f"{type(self).__name__} does not define result")

    def state_dict(self) -> dict[str, Any]:
        """Return what was gathered so far, for a checkpoint: by default all attributes that are no arguments.

        One that keeps what no file can hold, such as an object of a class of its own, defines this and
        `load_state_dict`.

        Raises
        ------
        CheckpointError
            If one changed since the last `reset` and no file can hold it.
        """
        kept = kept_by(self, arguments_of(type(self)))
        fresh = copy.copy(self)
        fresh.reset()
        for name, value in vars(self).items():
            if name not in kept and name not in arguments_of(type(self)) and vars(fresh).get(name) is not value:
                told = "define state_dict and load_state_dict"
                raise CheckpointError(f"{type(self).__name__}: a checkpoint cannot hold self.{name}: {told}")
        return kept

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from what `state_dict` returned.

        Raises
        ------
        CheckpointError
            If it is another state.
        """
        put_back(self, state, self.state_dict(), sums=True)

    def merge(self, other: Self) -> None:
        """Count what another of its kind has counted, as if it had been counted here: ranks put theirs together so.

        By default the attributes that ``sums`` names are added up. One that keeps something else defines this.

        Raises
        ------
        ArgumentError
            If neither is there.

        Examples
        --------
        >>> import lamina
        >>> one, other = lamina.metrics.Accuracy(), lamina.metrics.Accuracy()
        >>> numpy = lamina.get_backend("numpy")
        >>> one.update(np.array([[2.0, 0.0]]), np.array([0]), None, numpy)
        >>> other.update(np.array([[2.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), np.array([1, 1, 1]), None, numpy)
        >>> one.merge(other)
        >>> one.result()
        0.5
        """
        self.require_mergeable()
        backend = getattr(other, "_backend", None)
        if backend is not None and getattr(self, "_backend", None) is None:
            self._backend = backend
        for name in self._all_sums():
            more = getattr(other, name)
            setattr(
                self,
                name,
                getattr(self, name) + more if backend is None else add_up(backend, getattr(self, name), more),
            )

    def require_mergeable(self) -> None:
        """Raise `ArgumentError` where nothing says how what two have counted is put together."""
        if type(self).merge is Metric.merge and not self._all_sums():
            raise ArgumentError(
                f"{type(self).__name__}: on several ranks expected a metric whose sums are named, or that defines merge"
            )

    def _all_sums(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for base in type(self).__mro__ for name in vars(base).get("sums", ())))

    def so_far(self) -> Any:
        """Return a figure to show while batches still come: `result`, or where that takes long, a recent one."""
        return self.result()

    def check_target(
        self, target: Any, shape: tuple[int, ...], lengths: Lengths | None = None, sample_weight: Any = None
    ) -> None:
        """Raise where targets do not fit predictions of this shape; called once, on the host, before training."""

    def check_weight(self, sample_weight: Any, shape: tuple[int, ...], lengths: Lengths | None = None) -> None:
        """Raise where weights do not fit predictions of this shape; called once, on the host, before training.

        Raises
        ------
        ArgumentError
            If this metric takes none.
        ShapeError, DTypeError, DataError
        """
        if not self.takes_sample_weight:
            refuse_weight(type(self).__name__)
        check_weight(type(self).__name__, sample_weight, shape, lengths)

    def __call__(self, prediction: Any, target: Any, lengths: Any = None, sample_weight: Any = None) -> Any:
        """Return the result for one batch by itself; what was gathered so far stays as it is.

        Parameters
        ----------
        prediction, target : array-like
        lengths : (batch,) integers, optional
        sample_weight : (batch,) or (batch, time) array-like, optional
            How much each row, or step, counts: 0 or more.
        """
        prediction, target = self._as_array(prediction, "prediction"), self._as_array(target, "target")
        backend, alone = backend_of(prediction), copy.deepcopy(self)
        if not backend.is_array(target):
            target = as_host(target, f"{type(self).__name__} target")
        if not prediction.shape or (lengths is not None and prediction.ndim < 2):
            wanted = "(batch, ...)" if lengths is None else "(batch, time, ...)"
            raise ShapeError(f"{type(self).__name__}: expected predictions {wanted}, got {tuple(prediction.shape)}")
        if lengths is not None:
            lengths = as_lengths(lengths, prediction.shape[0], prediction.shape[1], type(self).__name__)
        alone.reset()
        target = backend.asarray(target)
        if sample_weight is None:
            alone.update(prediction, target, lengths, backend)
        else:
            alone.update(prediction, target, lengths, backend, sample_weight)
        return alone.result()

    def _as_array(self, value: Any, what: str) -> Any:
        name = type(self).__name__
        return as_array(value, f"{name} {what}", f"{name}: expected a rectangular array, got rows of other lengths")


def _guarded(update: Callable[..., None]) -> Callable[..., None]:
    """Wrap a metric's update.

    Lengths come to the host and weights to the backend; a masked array, whose mask it would not heed, is refused, and
    so are weights that it does not take.
    """
    is_weighted = takes_weight(update)

    @wraps(update)
    def wrapper(
        self: Metric,
        prediction: Array,
        target: Array,
        lengths: Lengths | None,
        backend: Backend,
        sample_weight: Any = None,
    ) -> None:
        own = backend.array_type
        if type(prediction) is not own or type(target) is not own:
            refuse_masked(f"{type(self).__name__} prediction", prediction)
            refuse_masked(f"{type(self).__name__} target", target)
        if lengths is not None and type(lengths) is not np.ndarray:
            lengths = as_host(lengths, f"{type(self).__name__} lengths")
        if sample_weight is None:
            update(self, prediction, target, lengths, backend)
            return
        if not is_weighted:
            refuse_weight(type(self).__name__)
        weight = read_weight(type(self).__name__, sample_weight, tuple(prediction.shape), lengths, backend)
        update(self, prediction, target, lengths, backend, sample_weight=weight)

    return wrapper


def _unweighted(check: Callable[..., None]) -> Callable[..., None]:
    """Wrap a check of targets that knows no weights, so that it may be given some."""

    @wraps(check)
    def wrapper(
        self: Metric, target: Any, shape: tuple[int, ...], lengths: Lengths | None = None, sample_weight: Any = None
    ) -> None:
        check(self, target, shape, lengths)

    return wrapper
