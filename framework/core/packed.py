"""Values of Python and arrays, however nested, as JSON and arrays by name, and back: nothing is ever pickled."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np

from lamina.backends import Backend, backend_of
from lamina.errors import BackendError, CheckpointError

__all__ = ["Arrays", "kept_by", "pack", "put_back", "unpack"]

NumpyArray: TypeAlias = np.ndarray[Any, Any]
Arrays: TypeAlias = "dict[str, NumpyArray]"

# The dtypes that a safetensors file holds.
_HELD = frozenset(
    ["bool", "float16", "float32", "float64"] + [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]
)
# What random numbers may come from.
_GENERATORS = ("MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64")


def pack(value: Any, arrays: Arrays | None, path: str = "") -> Any:
    """Return a value as JSON can hold it; arrays in it go into a dict, by their places, copied only where they must be.

    Parameters
    ----------
    value : None, bool, number, str, list, tuple, dict, array of any backend, backend, or numpy.random.Generator
        Or these in each other.
    arrays : dict or None
        Is added to; None only to see whether the value can be packed.
    path : str
        The value's place, for the arrays' names and the message.

    Raises
    ------
    CheckpointError
        If something else is in it.

    Examples
    --------
    >>> arrays = {}
    >>> packed = pack({"count": 3, "best": float("nan"), "mean": (np.ones(2), None)}, arrays, "metric")
    >>> packed["dict"][1], list(arrays)
    (['best', {'number': 'nan'}], ['metric/mean/0'])
    >>> unpack(packed, arrays)["mean"]
    (array([1., 1.]), None)
    """
    if value is None or type(value) in (bool, int, str):
        return value
    if type(value) is float:
        return value if math.isfinite(value) else {"number": repr(value)}
    if type(value) is list:
        return [pack(one, arrays, f"{path}/{index}") for index, one in enumerate(value)]
    if type(value) is tuple:
        return {"tuple": [pack(one, arrays, f"{path}/{index}") for index, one in enumerate(value)]}
    if type(value) is dict:
        pairs = value.items()
        return {"dict": [[pack(key, arrays, f"{path}/key"), pack(one, arrays, f"{path}/{key}")] for key, one in pairs]}
    if isinstance(value, Backend):
        return {"backend": True}
    if isinstance(value, np.random.Generator):
        return {"generator": pack(dict(value.bit_generator.state), arrays, path)}
    if isinstance(value, np.generic):
        return {"scalar": _keep(np.asarray(value), arrays, path)}
    if isinstance(value, np.ndarray):
        if value.dtype.kind == "U":
            return {"texts": value.reshape(-1).tolist(), "shape": list(value.shape)}
        return {"array": _keep(value, arrays, path)}
    try:
        backend = backend_of(value)
    except BackendError:
        raise CheckpointError(f"{path}: a checkpoint cannot hold what is a {type(value).__name__}") from None
    return {"device": _keep(backend.to_numpy(value), arrays, path)}


def unpack(packed: Any, arrays: Mapping[str, NumpyArray], backend: Backend | None = None) -> Any:
    """Return what `pack` packed.

    Parameters
    ----------
    packed : JSON
    arrays : mapping of str to ndarray
    backend : Backend, optional
        Where arrays of a backend go, and which one a backend is now; NumPy's arrays stay.

    Raises
    ------
    CheckpointError
        If it is nothing that `pack` gives, or an array is missing.
    """
    if isinstance(packed, list):
        return [unpack(one, arrays, backend) for one in packed]
    if not isinstance(packed, dict):
        return packed
    try:
        return _unpacked(packed, arrays, backend)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise CheckpointError(f"expected a packed value, got one of {', '.join(map(repr, sorted(packed)))}") from error


def _unpacked(packed: dict[str, Any], arrays: Mapping[str, NumpyArray], backend: Backend | None) -> Any:
    if "tuple" in packed:
        return tuple([unpack(one, arrays, backend) for one in packed["tuple"]])
    if "dict" in packed:
        return {unpack(key, arrays, backend): unpack(one, arrays, backend) for key, one in packed["dict"]}
    if "number" in packed:
        return float(packed["number"])
    if "backend" in packed:
        return backend
    if "generator" in packed:
        return _generator(unpack(packed["generator"], arrays, backend))
    if "scalar" in packed:
        return arrays[packed["scalar"]][()]
    if "texts" in packed:
        return np.array(packed["texts"], dtype=str).reshape(packed["shape"])
    if "array" in packed:
        return arrays[packed["array"]].copy()
    array = arrays[packed["device"]]
    return array.copy() if backend is None else backend.asarray(array)


def kept_by(owner: Any, left_out: Mapping[str, Any] | frozenset[str] = frozenset()) -> dict[str, Any]:
    """Return the attributes of an object that `pack` can hold, but for some.

    Parameters
    ----------
    owner : object
    left_out : names
        Such as the arguments of its constructor, which are given again.
    """
    found = {}
    for name, value in vars(owner).items():
        if name in left_out:
            continue
        try:
            pack(value, None)
        except CheckpointError:
            continue
        found[name] = value
    return found


def put_back(owner: Any, state: Any, own: Mapping[str, Any], sums: bool = False) -> None:
    """Set the attributes of an object from a state such as its own.

    Parameters
    ----------
    owner : object
    state : mapping
    own : mapping
        Its state as it is: that has the same names, and values of the same kinds; what is None may be anything.
    sums : bool
        Whether a number may also be an array: a sum is 0 before there is an array of them.

    Raises
    ------
    CheckpointError
        If it is no such state.
    """
    label = type(owner).__name__
    if not isinstance(state, Mapping) or set(state) != set(own):
        got = ", ".join(map(str, state)) if isinstance(state, Mapping) else type(state).__name__
        raise CheckpointError(f"state does not fit {label}: expected {', '.join(own) or 'nothing'}, got {got}")
    for name, value in state.items():
        if not _is_alike(value, own[name], sums):
            told = f"{name} to be a {type(own[name]).__name__}, got a {type(value).__name__}"
            raise CheckpointError(f"state does not fit {label}: expected {told}")
    vars(owner).update(state)


def _is_alike(value: Any, own: Any, sums: bool) -> bool:
    """Tell whether a value is of the kind of another."""
    if own is None or type(value) is type(own):
        return True
    numbers = (bool, int, float, np.generic)
    return isinstance(own, numbers) and (isinstance(value, numbers) or (sums and hasattr(value, "__dlpack__")))


def _keep(array: NumpyArray, arrays: Arrays | None, path: str) -> str:
    """Put an array into the dict; return its name."""
    if array.dtype.newbyteorder("=").name not in _HELD:
        raise CheckpointError(f"{path}: a checkpoint cannot hold an array of {array.dtype}")
    if arrays is None:
        return path
    name, number = path, 1
    while name in arrays:  # keys that print alike
        number += 1
        name = f"{path}#{number}"
    arrays[name] = np.asarray(array, dtype=array.dtype.newbyteorder("="), order="C")
    return name


def _generator(state: dict[str, Any]) -> np.random.Generator:
    if state["bit_generator"] not in _GENERATORS:
        raise ValueError(state["bit_generator"])
    source = getattr(np.random, state["bit_generator"])()
    source.state = state
    return np.random.Generator(source)
