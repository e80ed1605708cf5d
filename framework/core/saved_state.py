"""What a forward pass hands to its backward pass: used once, and only by the part that made it."""

from __future__ import annotations

from typing import Any

from lamina.errors import DTypeError, SavedStateError, ShapeError

__all__ = ["SavedState"]


class SavedState:
    """The saved state of one forward call.

    Parameters
    ----------
    owner : Layer or Loss
        What made it.
    content : object
        Whatever the backward pass needs.
    output : array, tuple of arrays or None
        What the forward pass returned; its gradient must have the same shape.
    ends : lengths of the output's rows, or None
        Where some are not full, in the outermost call: its gradient is 0 past them.
    """

    __slots__ = ("_content", "_dtypes", "_owner", "_shapes", "_used", "ends")

    def __init__(self, owner: Any, content: Any, output: Any = None, ends: Any = None) -> None:
        self._owner = owner
        self._content = content
        if output is None:
            self._shapes: Any = None
            self._dtypes: Any = None
        else:
            try:  # one array, as nearly always
                self._shapes, self._dtypes = output.shape, output.dtype
            except AttributeError:
                self._shapes, self._dtypes = _described(output)
        self._used = False
        self.ends = ends

    def take(self, owner: Any, gradient: Any = None) -> Any:
        """Return the content and forget it.

        Parameters
        ----------
        owner : Layer or Loss
            Who asks.
        gradient : array or tuple of arrays, optional
            The gradient with respect to the output, to be checked against the output's shape.

        Raises
        ------
        SavedStateError
            If the state was used before, or was made by another part.
        ShapeError, DTypeError
            If the gradient has another shape or dtype than the output had.
        """
        if self._owner is not owner:
            raise SavedStateError(f"{owner.label}: got the saved state of {getattr(self._owner, 'label', '?')}")
        if self._used:
            raise SavedStateError(f"{owner.label}: this saved state is used up: backward may run once for each forward")
        try:  # one array that fits, as nearly always, or none where none is expected
            fits = gradient is self._shapes or (gradient.shape == self._shapes and gradient.dtype == self._dtypes)
        except AttributeError:
            fits = False
        if not fits:
            self._check(owner, gradient)
        self._used = True
        content, self._content = self._content, None
        return content

    def _check(self, owner: Any, gradient: Any) -> None:
        shapes, dtypes = _described(gradient)
        if shapes != self._shapes:
            raise ShapeError(f"{owner.label}: expected a gradient of shape {self._shapes}, got {shapes}")
        if dtypes != self._dtypes:
            raise DTypeError(f"{owner.label}: expected a gradient of {self._dtypes}, got {dtypes}")

    def __repr__(self) -> str:
        return f"<SavedState of {getattr(self._owner, 'label', '?')}{', used up' if self._used else ''}>"


def _described(value: Any) -> tuple[Any, Any]:
    """Return an array's shape and dtype, or tuples of them for several arrays; None for what is no array."""
    if isinstance(value, tuple):
        each = [_described(array) for array in value]
        return tuple(shape for shape, _ in each), tuple(dtype for _, dtype in each)
    return getattr(value, "shape", None), getattr(value, "dtype", None)
