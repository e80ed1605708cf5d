"""The errors Lamina raises: typed, one line each, saying what was expected and what came."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = [
    "ArgumentError",
    "BackendError",
    "CheckpointError",
    "ConversionError",
    "DTypeError",
    "DataError",
    "DistributedError",
    "ExportError",
    "LaminaError",
    "MissingAttributeError",
    "MissingPackageError",
    "NonFiniteError",
    "NonFiniteWarning",
    "NotBuiltError",
    "OutputError",
    "SavedStateError",
    "ShapeError",
    "StreamError",
    "UnknownNameError",
    "shown",
    "unknown",
]


class LaminaError(Exception):
    """The base of every error that Lamina raises on purpose."""


class ArgumentError(LaminaError, ValueError):
    """A setting (a number of units, a rate, an option) lies outside of what it may be."""


class ShapeError(LaminaError, ValueError):
    """An array or a shape does not fit the layer, loss or argument that received it."""


class DTypeError(LaminaError, TypeError):
    """An array has another element type than the model, or one that cannot be used at all."""


class DataError(LaminaError, ValueError):
    """Training data or targets hold values that cannot be trained on (NaN, labels out of range, ...)."""


class NonFiniteError(DataError, ArithmeticError):
    """Training gave NaN or infinity; the message names the layer in which it arose."""


class NonFiniteWarning(UserWarning):
    """A model file holds NaN or infinity among its weights; the message names the parameter."""


class DistributedError(LaminaError, RuntimeError):
    """Of several processes that train together one has failed, does not come, or was given something else."""


class BackendError(LaminaError, RuntimeError):
    """A backend is missing, has no device, or was given an array of another backend."""


class NotBuiltError(LaminaError, RuntimeError):
    """A layer was used before ``build`` gave it parameters and a backend."""


class MissingAttributeError(LaminaError, AttributeError):
    """An object has no attribute of that name; the message says which one is meant."""


class MissingPackageError(LaminaError, ImportError):
    """A package that only this needs is not installed; the message says what to install."""


class OutputError(LaminaError, OSError):
    """A file or folder cannot be written."""


class SavedStateError(LaminaError, RuntimeError):
    """``backward`` was given a saved state that is used up or that another layer made."""


class StreamError(LaminaError, RuntimeError):
    """A layer cannot read a sequence piece by piece, as it needs what is yet to come, or all of what has been."""


class CheckpointError(LaminaError, RuntimeError):
    """A model file cannot be written, read, or matched with its architecture."""


class ConversionError(LaminaError, ValueError):
    """A layer, a setting or an array has no counterpart in another framework; the message names all that have none."""


class ExportError(LaminaError, RuntimeError):
    """A model cannot be written in another format, or what was written does something else."""


class UnknownNameError(ArgumentError):
    """A name (of a layer, loss, optimizer, backend, ...) that is not registered."""


def shown(value: object, most: int = 300) -> str:
    """Return how messages show a value: its ``repr`` on one line, cut where it is long.

    Parameters
    ----------
    value : object
    most : int
        After how many characters.

    Examples
    --------
    >>> shown("adagradd"), len(shown("x" * 10**6)), shown(10**5000)
    ("'adagradd'", 300, 'an int that is too long to print')
    """
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # a whole number of more digits than Python prints, or what holds itself
        article = "an" if type(value).__name__[0] in "aeiou" else "a"
        return f"{article} {type(value).__name__} that is too long to print"
    if "\n" in text:
        text = " ".join(text.split())
    return text if len(text) <= most else f"{text[: most - 4]} ..."


def unknown(kind: str, name: object, choices: Iterable[str]) -> UnknownNameError:
    """Return the error for a name that is not among the choices, with the nearest match if one is near.

    Parameters
    ----------
    kind : str
        What the name should have named, as in ``"optimizer"``.
    name : object
        What was asked for.
    choices : iterable of str
        The names that exist.

    Returns
    -------
    UnknownNameError
        To be raised by the caller.

    Examples
    --------
    >>> print(unknown("optimizer", "adagradd", ["sgd", "adagrad"]))
    unknown optimizer 'adagradd': did you mean 'adagrad'? Known: adagrad, sgd
    """
    from difflib import get_close_matches  # slow to import, and seldom needed

    names = sorted(choices)
    lower = {known.lower(): known for known in names}
    text = name if isinstance(name, str) else shown(name)
    near = get_close_matches(text.lower(), lower, n=1) if len(text) < 100 else []
    hint = f"did you mean {lower[near[0]]!r}? " if near else ""
    return UnknownNameError(f"unknown {kind} {shown(name)}: {hint}Known: {', '.join(names)}")
