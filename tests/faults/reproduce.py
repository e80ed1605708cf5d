"""``python tests/faults/reproduce.py KEY [COPY]``: run the few lines that show a fault, and print what they find.

Without the fault they find what is wanted. It runs on the ``lamina`` that Python imports; with COPY, that must be it.
"""

import sys
from pathlib import Path

from catalogue import read_faults

PRELUDE = """
import copy, functools, pickle, tempfile, threading, time
import numpy as np
import lamina
from lamina.layers import *
"""


def is_same(found, wanted):
    """Tell whether two values are equal: of numbers, but for rounding."""
    import numpy as np

    try:
        found, wanted = np.asarray(found), np.asarray(wanted)
        if found.dtype.kind == "f" or wanted.dtype.kind == "f":
            return found.shape == wanted.shape and bool(np.allclose(found, wanted, rtol=1e-6, atol=1e-9))
        return found.shape == wanted.shape and bool((found == wanted).all())
    except (TypeError, ValueError):
        return bool(found == wanted)


def shown(value):
    """Return a value in one line."""
    text = " ".join(str(value.tolist() if hasattr(value, "tolist") else value).split())
    return text if len(text) <= 90 else f"{text[:87]}..."


def main():
    """Run one reproduction."""
    fault = read_faults()[sys.argv[1]]
    names = {"__name__": "reproduction"}
    exec(PRELUDE, names)
    if len(sys.argv) > 2:
        where = Path(names["lamina"].__file__)
        assert where.is_relative_to(Path(sys.argv[2])), f"imported {where}"
    try:
        exec(compile(fault.reproduction, fault.key, "exec"), names)
    except Exception as error:
        if type(error).__name__ != fault.raises:
            raise
        print(f"wrong: {type(error).__name__}: {error}")
        return
    found, wanted = names["found"], names["wanted"]
    if is_same(found, wanted):
        print(f"right: {shown(found)}")
    else:
        print(f"wrong: {shown(found)}, where it should be {shown(wanted)}")


if __name__ == "__main__":
    main()
