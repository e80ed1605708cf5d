"""What a profile tells of a model: a table of its layers."""

from __future__ import annotations

from typing import NamedTuple

from lamina.files.html import table
from lamina.inspect.batch import unknown_layer

__all__ = ["LayerProfile", "Profile"]


class LayerProfile(NamedTuple):
    """One layer's part of a pass forward and backward; of a container, without the layers in it.

    Attributes
    ----------
    name, label : str
        Path and class.
    output : str
        The shape of what it puts out.
    forward, backward : float
        Milliseconds.
    flops : float or None
        Of a pass forward: two for each multiplication in a matrix product. Backward takes twice as many.
    share : float or None
        The rate of both passes over the machine's peak.
    retained : float
        Megabytes (10^6) kept from forward to backward, beyond inputs and weights; what several layers keep
        counts for the first of them.
    """

    name: str
    label: str
    output: str
    forward: float
    backward: float
    flops: float | None
    share: float | None
    retained: float


class Profile:
    """A model's layers with time, arithmetic and memory; printed, a table.

    Attributes
    ----------
    layers : list of LayerProfile
    peak : float
        The rate of a large matrix product on this machine, in FLOP a second.
    backend, dtype : str
    """

    def __init__(self, layers: list[LayerProfile], peak: float, backend: str, dtype: str) -> None:
        self.layers = layers
        self.peak = peak
        self.backend = backend
        self.dtype = dtype

    def __getitem__(self, name: str) -> LayerProfile:
        """Return a layer's part by its path."""
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise unknown_layer(name, [layer.name for layer in self.layers])

    @property
    def forward(self) -> float:
        """Milliseconds of all layers forward."""
        return sum(layer.forward for layer in self.layers)

    @property
    def backward(self) -> float:
        """Milliseconds of all layers backward."""
        return sum(layer.backward for layer in self.layers)

    @property
    def retained(self) -> float:
        """Megabytes kept from forward to backward."""
        return sum(layer.retained for layer in self.layers)

    def _rows(self) -> list[tuple[str, ...]]:
        """Return the head, a row for each layer, and the sums."""
        total = self.forward + self.backward
        rows: list[tuple[str, ...]] = [
            ("layer", "output", "forward ms", "backward ms", "time", "MFLOP", "of peak", "kept MB")
        ]
        for one in self.layers:
            name = one.name if one.name == one.label else f"{one.name} {one.label}"
            part = (one.forward + one.backward) / total if total else 0.0
            work = "" if one.flops is None else f"{3 * one.flops / 1e6:,.2f}"
            share = "" if one.share is None else f"{one.share:.1%}"
            times = f"{one.forward:.3f}", f"{one.backward:.3f}", f"{part:.0%}"
            rows.append((name, one.output, *times, work, share, f"{one.retained:.2f}"))
        known = sum(one.flops or 0.0 for one in self.layers)
        share = f"{3 * known / (total / 1e3) / self.peak:.1%}" if total and known else ""
        sums = f"{self.forward:.3f}", f"{self.backward:.3f}", "", f"{3 * known / 1e6:,.2f}" if known else "", share
        rows.append(("total", "", *sums, f"{self.retained:.2f}"))
        return rows

    def _peak(self) -> str:
        return f"peak: {self.peak / 1e9:.1f} GFLOP/s, a large {self.dtype} matrix product on {self.backend}"

    def __str__(self) -> str:
        rows = self._rows()
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        lines = [
            "  ".join(
                cell.ljust(width) if column < 2 else cell.rjust(width)
                for column, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in rows
        ]
        rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
        return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1], self._peak()])

    def _repr_html_(self) -> str:
        head, *rows = self._rows()
        return table(head, rows, "llrrrrrr", note=self._peak())

    def __repr__(self) -> str:
        return f"<Profile: {self.forward:.2f} ms forward, {self.backward:.2f} ms backward, {len(self.layers)} layers>"
