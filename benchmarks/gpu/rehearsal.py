"""The rehearsal: all parts, at tiny sizes, where no GPU is: a stand-in is found in CuPy's place, PyTorch is on the CPU.

The parts know nothing of it but sizes: ``in_place/`` is put before all else on ``PYTHONPATH`` and ``PATH``, so that
``import cupy`` and ``nvidia-smi`` find what lies there, also in the processes that the parts start.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeVar

__all__ = ["VARIABLE", "environment", "rehearsing", "sized"]

#: The environment variable that is set while it is rehearsed.
VARIABLE = "LAMINA_GPU_REHEARSAL"

_ROOT = Path(__file__).resolve().parents[2]
_IN_PLACE = Path(__file__).with_name("in_place")

Size = TypeVar("Size")


def rehearsing() -> bool:
    """Tell whether this process belongs to a rehearsal."""
    return os.environ.get(VARIABLE) == "1"


def sized(real: Size, tiny: Size) -> Size:
    """Return what there is to do on a GPU, or its tiny form."""
    return tiny if rehearsing() else real


def environment(rehearse: bool) -> dict[str, str]:
    """Return the environment of a part's process."""
    # What pytest tells the processes that it starts is not for those that a part starts.
    found = {name: value for name, value in os.environ.items() if name != VARIABLE and not name.startswith("PYTEST_")}
    found |= {"PYTHONUNBUFFERED": "1", "TQDM_DISABLE": "1"}
    paths = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    if rehearse:
        paths.insert(0, str(_IN_PLACE))
        found |= {VARIABLE: "1", "PATH": f"{_IN_PLACE / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"}
        found |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return found | {"PYTHONPATH": os.pathsep.join(paths)}
