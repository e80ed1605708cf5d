"""Elementwise functions: one launch each, by the loops that CuPy has, chosen as CuPy chooses them."""

import numpy as np

from tests.stand_in.base import FACTS, Memory, argument, fresh, functions, launch
from tests.stand_in.counting import ledger

__all__ = ["Ufunc", "clip_ufunc", "where_ufunc"]

_RANK = {"b": 0, "i": 1, "u": 1, "f": 2, "c": 3}
_WEAK = {int: 1, float: 2, complex: 3}
_ATOMICS = {"add": "add", "maximum": "max", "minimum": "min", "subtract": "sub"}


class Ufunc:
    """Stands for ``cupy.ufunc``.

    Parameters
    ----------
    name : str
    loops : list of str
        Such as ``"ff->f"``.
    function : callable
        NumPy's, which computes it.
    """

    def __init__(self, name, loops, function):
        self.name, self.types, self._function = name, loops, function
        given, made = loops[0].split("->")
        self.nin, self.nout, self.nargs = len(given), len(made), len(given) + len(made)
        self._chosen = {}
        # Of arrays whose dtypes a loop takes as they are, as nearly always: what that loop makes.
        self._direct = {} if self.nout > 1 else dict(reversed([loop.split("->") for loop in loops]))

    def __repr__(self):
        return f"<ufunc 'cupy_{self.name}'>"

    def _loop(self, values):
        """Return the loop that takes the operands, as `_choose` finds it."""
        # The value of a Python number matters only where it needs uint64.
        key = tuple(
            [(type(one), type(one) is int and one >= 2**63) if type(one) in _WEAK else one.dtype for one in values]
        )
        try:
            return self._chosen[key]
        except KeyError:
            found = self._chosen[key] = self._choose(values)
            return found

    def _choose(self, values):
        """Return the first loop that takes the operands; Python's numbers follow arrays that rank as high."""
        weak = [type(one) in _WEAK for one in values]
        dtypes = [one.dtype if not isweak else _dtype_of(one) for one, isweak in zip(values, weak, strict=True)]
        strong = [_RANK[dtype.kind] for dtype, isweak in zip(dtypes, weak, strict=True) if not isweak]
        soft = [_WEAK[type(one)] for one, isweak in zip(values, weak, strict=True) if isweak]
        follow = bool(strong) and bool(soft) and max(strong) >= max(soft)
        for loop in self.types:
            given, made = loop.split("->")
            if all(
                np.can_cast(dtype, letter) or (isweak and follow and _fits(one, letter))
                for one, dtype, isweak, letter in zip(values, dtypes, weak, given, strict=True)
            ):
                return given, made
        raise TypeError(f"Wrong type ({tuple(dtypes)}) of arguments for cupy_{self.name}")

    def __call__(self, *arguments, **options):
        if options or len(arguments) != self.nin:
            return self._call(arguments, **options)
        try:
            hosts = [one._host for one in arguments]
        except AttributeError:
            return self._call(arguments)
        letter = self._direct.get("".join([host.dtype.char for host in hosts]))
        if letter is None:
            return self._call(arguments)
        with np.errstate(all="ignore"):
            found = self._function(*hosts)
        found = found if found.dtype.char == letter else found.astype(letter)
        if found.size:
            ledger.note("launch", self.name)
        return fresh(found)

    def _call(self, arguments, out=None, dtype=None, casting="same_kind", **others):
        if others:
            raise TypeError(f"Wrong arguments {others}")
        if not self.nin <= len(arguments) <= self.nargs:
            raise TypeError(f"Wrong number of arguments for {self.name}")
        values = [argument(one) for one in arguments[: self.nin]]
        outputs = list(arguments[self.nin :]) or list(out if isinstance(out, tuple) else (out,))
        outputs += [None] * (self.nout - len(outputs))
        if not all(one is None or isinstance(one, Memory) for one in outputs):
            raise TypeError("return arrays must be of ArrayType")
        given, made = self._loop([np.bool_(one) if type(one) is bool else one for one in values])
        if dtype is not None:
            wanted = np.dtype(dtype).char
            given, made = next((loop.split("->") for loop in self.types if loop.endswith(f">{wanted}")), (None, None))
            if given is None:
                raise TypeError(f"Wrong type of dtype for cupy_{self.name}: {dtype}")
        host = [_as(one, letter) for one, letter in zip(values, given, strict=True)]
        with np.errstate(all="ignore"):
            found = self._function(*host)
        found = found if isinstance(found, tuple) else (found,)
        results = [
            fresh(np.asarray(one).astype(letter, copy=False))
            if into is None
            else self._into(one, into, values, casting)
            for one, letter, into in zip(found, made, outputs, strict=True)
        ]
        launch(self.name, *values, *results)
        return results[0] if self.nout == 1 else tuple(results)

    def _into(self, found, into, values, casting):
        """Write a result into an array that the caller gave."""
        found, shape = np.asarray(found), np.shape(found)
        if not np.can_cast(found.dtype, into.dtype, casting):
            raise TypeError(
                f"output (typecode '{found.dtype.char}') could not be coerced to provided output parameter "
                f"(typecode '{into.dtype.char}') according to the casting rule \"{casting}\""
            )
        if np.broadcast_shapes(shape, into.shape) != into.shape:
            raise ValueError(f"operands could not be broadcast together with remapped shapes {shape} -> {into.shape}")
        for one in values:
            if isinstance(one, Memory) and one is not into and np.may_share_memory(one._host, into._host):
                same = one.shape == into.shape and one.strides == into.strides
                if not (same and one._host.ctypes.data == into._host.ctypes.data):
                    launch("copy of what overlaps", one)
        into._host[...] = found
        return into

    def at(self, a, indices, b=None):
        if self.name not in _ATOMICS:
            raise NotImplementedError(f"`cupy_{self.name}.at` is not supported yet")
        a._accumulate(indices, b, _ATOMICS[self.name])

    def reduce(self, array, axis=0, dtype=None, out=None, keepdims=False):
        raise NotImplementedError(f"the stand-in has no cupy_{self.name}.reduce")

    def outer(self, a, b, **options):
        raise NotImplementedError(f"the stand-in has no cupy_{self.name}.outer")


def _dtype_of(number):
    return np.dtype(np.uint64) if type(number) is int and number >= 2**63 else np.dtype(type(number))


def _fits(number, letter):
    """Tell whether a Python number takes on a loop's dtype."""
    try:
        return np.result_type(type(number)(0), np.dtype(letter)) == np.dtype(letter)
    except TypeError:
        return False


def _as(value, letter):
    if isinstance(value, Memory):
        return value._host.astype(letter, copy=False)
    # A whole number that does not fit is refused by NumPy as by CuPy.
    return (
        np.asarray(value, letter) if type(value) is int and letter not in "?efdFD" else np.asarray(value).astype(letter)
    )


for _name, _loops in FACTS["loops"].items():
    _known = [loop for loop in _loops if "g" not in loop]
    if _known and hasattr(np, _name):
        functions[_name] = Ufunc(_name, _known, getattr(np, _name))

_LETTERS = "?bBhHiIlLqQefdFD"
where_ufunc = Ufunc("where", [f"?{one}{one}->{one}" for one in _LETTERS], np.where)
clip_ufunc = Ufunc(
    "clip", [f"{one * 3}->{one}" for one in _LETTERS], lambda a, low, high: np.minimum(np.maximum(a, low), high)
)
