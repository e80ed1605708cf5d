"""``python -m benchmarks.gpu.part NAME``: the process of one part, which does its items one after the other."""

from __future__ import annotations

import argparse
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.gpu.records import Records

__all__ = ["LOST", "Item", "Tell", "main"]

#: The exit code of a process to which the GPU is lost: after an illegal address, nothing runs in it any more.
LOST = 75

_MODULES = {
    "facts": "facts",
    "smoke": "smoke",
    "conformance": "conformance",
    "training": "training",
    "side by side": "side_by_side",
    "sanitizer": "sanitizer",
}

#: Called with what was found, by name.
Tell = Callable[..., None]


class Item(NamedTuple):
    """Something to do, after which the next one can be done whatever happened."""

    name: str
    run: Callable[[Tell], None]


def main() -> None:
    """Do a part's items, but those that were begun before."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu.part")
    parser.add_argument("part", choices=_MODULES)
    parser.add_argument("--records", type=Path, required=True, metavar="FILE")
    parser.add_argument("--label", metavar="NAME", help="under which the records stand (default: the part's name)")
    parser.add_argument("--only", default="", metavar="PREFIX", help="of the items' names")
    parser.add_argument("--unpooled", action="store_true", help="take and give back device memory array by array")
    chosen = parser.parse_args()
    if chosen.unpooled:
        _leave_the_pool()
    label, records = chosen.label or chosen.part, Records(chosen.records)
    module: Any = import_module(f"benchmarks.gpu.{_MODULES[chosen.part]}")
    items: Iterable[Item] = module.items(records)
    failed = _work(label, records, [item for item in items if item.name.startswith(chosen.only)])
    sys.stdout.flush()
    if chosen.label and failed:
        raise SystemExit(1)


def _work(part: str, records: Records, items: Iterable[Item]) -> bool:
    """Do the items; tell whether one failed."""
    begun, failed = set(records.begun(part)), False
    for item in items:
        if item.name in begun:
            continue
        records.write(part, "begin", item.name)
        print(f"--- {item.name}", flush=True)
        start = time.perf_counter()

        def tell(item: Item = item, **facts: Any) -> None:
            records.write(part, "row", item.name, **facts)

        try:
            item.run(tell)
            _wait()  # a fault of the GPU shows at the latest here, and so as this item's
        except (Exception, SystemExit) as error:
            failed = True
            traceback.print_exc()
            records.write(part, "error", item.name, error=f"{type(error).__name__}: {error}"[:600])
            if _is_lost():
                sys.stdout.flush()
                os._exit(LOST)
        records.write(part, "end", item.name, seconds=round(time.perf_counter() - start, 3))
    return failed


def _leave_the_pool() -> None:
    """Make each array a piece of memory of its own: what is written past its end is then found out."""
    cuda: Any = import_module("cupy").cuda
    if hasattr(cuda, "set_allocator"):
        cuda.set_allocator(None)


def _wait() -> None:
    cupy: Any = sys.modules.get("cupy")
    if cupy is not None:
        cupy.cuda.get_current_stream().synchronize()


def _is_lost() -> bool:
    try:
        _wait()
    except Exception:
        return True
    return False


if __name__ == "__main__":
    main()
