"""``python -m benchmarks.gpu.first_use``: prints how long a new process takes to its first training steps, as JSON."""

from __future__ import annotations

import json
import time

__all__ = ["main"]


def main() -> None:
    """Print the seconds of each part."""
    start = time.perf_counter()
    seconds: dict[str, float] = {}

    def note(what: str) -> None:
        nonlocal start
        now = time.perf_counter()
        seconds[what], start = round(now - start, 4), now

    import lamina

    note("import lamina")
    backend = lamina.get_backend("cupy")
    note("open the backend")
    from benchmarks.gpu.ours import Ours
    from benchmarks.gpu.rehearsal import sized
    from benchmarks.gpu.work import Work

    ours = Ours(Work("LSTM", *sized((64, 100, 128), (3, 4, 5)), ragged=True), backend)
    backend.synchronize()
    note("build a model, data to the device")
    for number in ("first", "second", "third"):
        ours.step()
        backend.synchronize()
        note(f"{number} step")
    print(json.dumps(seconds))


if __name__ == "__main__":
    main()
