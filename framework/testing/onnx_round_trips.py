"""Random models written as ONNX files, run by ONNX Runtime, and read again: ``lamina.testing.onnx_round_trips 500``."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import lamina.onnx
from lamina.core.layer import Layer
from lamina.core.shapes import as_tuple
from lamina.errors import ExportError, StreamError
from lamina.layers import GRU
from lamina.onnx import Graph, Tensor, call, translates
from lamina.onnx.recurrent import recurrence
from lamina.onnx.verification import TOLERANCE, compared, session_of
from lamina.testing.random_models import Description, run
from lamina.testing.random_models import parts as own

__all__ = ["RoundTrips", "main"]


class RoundTrips:
    """Counts what was written and read, and keeps the worst differences.

    Attributes
    ----------
    written, refused, streams : int
        Models written and read again; that hold what ONNX cannot say, and were refused; written as streams, too.
    worst : dict of str to float
        By dtype, relative to the largest number of an output.
    rounding : int
        How many differed by more than `TOLERANCE`, as far as the model itself is from its double precision.
    layers : Counter
        How many of the models that were written hold a layer, by its class.
    """

    def __init__(self, folder: str | Path) -> None:
        self.path = Path(folder) / "model.onnx"
        self.written = self.refused = self.streams = self.rounding = 0
        self.worst: dict[str, float] = {}
        self.layers: Counter[str] = Counter()

    def check(self, description: Description) -> None:
        """Write a random model, compare what ONNX Runtime gives, and read it again.

        Raises
        ------
        AssertionError, LaminaError
        """
        trial = replace(description, loss=None, optimizer=None, schedule=None, backend="numpy").trial()
        model, values, lengths = trial.built(), trial.values, trial.lengths
        options = {"lengths": lengths is not None}
        if any(type(layer).__name__ == "Lambda" for _, layer in model.walk()):
            self._refuse(model, options)
            return
        exported = lamina.onnx.export(model, self.path, **options)
        expected = [np.asarray(y) for y in as_tuple(model(*values, lengths=lengths))]
        ends = [end for end in (lengths if isinstance(lengths, tuple) else (lengths,)) if end is not None]
        if lengths is not None and not isinstance(lengths, tuple):
            ends = ends * (len(exported.inputs) - len(values))
        kinds = ["int64" if model.reads_integers(place) else model.dtype for place in range(len(values))]
        given = [value.astype(kind) for value, kind in zip(values, kinds, strict=True)]
        feeds = dict(zip(exported.inputs, [*given, *ends], strict=True))
        outputs = session_of(self.path.read_bytes()).run(None, feeds)
        assert exported.difference is not None
        self._note(model, exported.difference, compared(model, outputs, values, lengths))
        back = lamina.onnx.load(self.path)
        assert type(back) is type(model) and repr(back) == repr(model)
        state, found = model.state_dict(), back.state_dict()
        assert list(found) == list(state) and all(np.array_equal(state[name], found[name]) for name in state)
        again = as_tuple(back(*values, lengths=lengths))
        assert all(np.array_equal(y, other, equal_nan=True) for y, other in zip(expected, again, strict=True))
        self.written += 1
        self.layers.update({type(layer).__name__ for _, layer in model.walk()})
        with suppress(StreamError):
            streamed = lamina.onnx.export(model, self.path, states=True, **options).difference
            assert streamed is not None
            self._note(model, streamed)
            self.streams += 1

    def _refuse(self, model: Layer, options: dict[str, Any]) -> None:
        self.path.unlink(missing_ok=True)
        try:
            lamina.onnx.export(model, self.path, **options)
        except ExportError as error:
            assert "Lambda" in str(error), error
        else:
            raise AssertionError("a Lambda was written")
        assert not self.path.exists()
        self.refused += 1

    def _note(self, model: Layer, *found: float) -> None:
        self.rounding += max(found) > TOLERANCE[model.dtype]
        self.worst[model.dtype] = max(*found, self.worst.get(model.dtype, 0.0))

    def __str__(self) -> str:
        apart = f" ({self.rounding} of them where the model itself rounds as much)" if self.rounding else ""
        worst = ", ".join(f"{name} {value:.1e}" for name, value in sorted(self.worst.items()))
        layers = ", ".join(f"{name} {count}" for name, count in sorted(self.layers.items()))
        return (
            f"{self.written} models written, run by ONNX Runtime and read again to the same bits, {self.streams} as "
            f"streams too; {self.refused} refused for a Lambda\n"
            f"worst difference from ONNX Runtime: {worst}{apart}\nlayers, and in how many models: {layers}"
        )


def main() -> int:
    """Write, run and read so many random models; stop at the first one that differs."""
    parser = argparse.ArgumentParser(prog="python -m lamina.testing.onnx_round_trips", description=main.__doc__)
    parser.add_argument("count", type=int, help="how many models are to be written")
    parser.add_argument("--seed", type=int, default=0, help="the same models for the same seed")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        trips = RoundTrips(folder)

        def each(description: Description) -> None:
            if trips.written < given.count:
                trips.check(description)

        try:
            run(2 * given.count + 20, seed=given.seed, shrink=False, each=each)
        except Exception as error:
            print(f"{getattr(error, 'description', '')}\n\n{type(error).__name__}: {error}", file=sys.stderr)
            print(f"failed after {trips.written} models", file=sys.stderr)
            return 1
        print(trips)
        return 0 if trips.written >= given.count else 1


# The layers and cells of one's own that random models hold.


@translates(own.LoggedDense)
def _logged_dense(graph: Graph, layer: own.LoggedDense, x: Tensor) -> str:
    return graph.dense(x, layer.w, layer.b)


@translates(own.Doubled)
def _doubled(graph: Graph, layer: own.Doubled, x: Tensor) -> str:
    return graph.add("Mul", graph.dense(x, layer.w, layer.b), 2.0)


translates(own.LoggedGRU, streams=True)(recurrence)


@translates(own.DoubledGRU)
def _doubled_gru(graph: Graph, layer: GRU, *inputs: Tensor) -> str:
    return graph.add("Mul", recurrence(graph, layer, (), *inputs)[0], 2.0)


@translates(own.Noise)
def _noise(graph: Graph, layer: own.Noise, x: Tensor) -> str:
    return graph.add("Mul", x, graph.weight(layer.scale))


@translates(own.DecoratedMean)
def _mean(graph: Graph, layer: own.DecoratedMean, x: Tensor) -> str:
    total = graph.add("ReduceSum", graph.fill_past(x, 3, x.lengths), [1], keepdims=0)
    counts = graph.full_lengths(x) if x.lengths is None else x.lengths
    return graph.add("Div", total, graph.cast(graph.column(graph.add("Max", counts, 1))))


@translates(own.Averaging)
def _averaging(graph: Graph, layer: own.Averaging, x: Tensor, h: Tensor) -> str:
    return graph.chain(call(graph, layer.inner, x), ("Add", h), ("Div", 2.0))


@translates(own.Mixing)
def _mixing(graph: Graph, layer: own.Mixing, x: Tensor, h: Tensor) -> str:
    return graph.chain(call(graph, layer.first, x), ("Add", call(graph, layer.second, h)), ("Tanh",))


@translates(own.Remembering)
def _remembering(graph: Graph, layer: own.Remembering, x: Tensor, h: Tensor, c: Tensor) -> tuple[str, str]:
    after = graph.chain(call(graph, layer.inner, x), ("Add", c), ("Div", 2.0))
    return graph.add("Add", graph.add("Tanh", after), graph.add("Div", h, 2.0)), after


if __name__ == "__main__":
    sys.exit(main())
