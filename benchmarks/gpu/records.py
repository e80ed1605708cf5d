"""What a run finds, a JSON line each, written at once: whatever is killed, what was found stays.

A line has ``part``, ``kind`` and, but where it is of the whole part, ``item``. Kinds: ``run`` (how it was started),
``begin`` and ``end`` of an item, ``row`` (something found), ``error`` (and what failed), ``part`` (how a part ended).
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

__all__ = ["Record", "Records"]

Record = dict[str, Any]


class Records:
    """A file of records, to which several processes may write.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, part: str, kind: str, item: str = "", **facts: Any) -> None:
        """Append a line, whole."""
        record: Record = {"part": part, "kind": kind} | ({"item": item} if item else {}) | facts
        line = json.dumps(record, default=str) + "\n"
        file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(file, line.encode())
        finally:
            os.close(file)

    def read(self, part: str | None = None) -> list[Record]:
        """Return all records, or a part's; a line that was cut off is left out."""
        found: list[Record] = []
        if not self.path.exists():
            return found
        for line in self.path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                record = json.loads(line)
            except json.JSONDecodeError:
                continue
            if part is None or record["part"] == part:
                found.append(record)
        return found

    def begun(self, part: str) -> list[str]:
        """Return the items that were begun, in order: none is begun twice."""
        return [record["item"] for record in self.read(part) if record["kind"] == "begin"]

    def unfinished(self, part: str) -> str | None:
        """Return the item that was begun last, where it did not end."""
        begun = self.begun(part)
        ended = {record.get("item") for record in self.read(part) if record["kind"] == "end"}
        return begun[-1] if begun and begun[-1] not in ended else None
