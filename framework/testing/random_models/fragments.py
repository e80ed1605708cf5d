"""Pieces of random models: layers of every kind, of one input and one output, with the containers around them."""

from __future__ import annotations

from collections.abc import Callable

from lamina.testing.random_models.fragment import (
    ACTIVATIONS,
    NORMALIZATIONS,
    OVER_ROWS,
    Choices,
    Fragment,
    chained,
    with_units,
    wrapped,
)
from lamina.testing.random_models.windows import draw_resampling, draw_windows

__all__ = ["Pieces"]

_MODERN = ("MinGRU", "MinLSTM", "IndRNN", "LRU", "SLSTM")
_MERGES = ("sum", "concat", "average", "multiply")


class Pieces:
    """Draws fragments; keeps the layers that stand in several places.

    Parameters
    ----------
    choices : Choices
    """

    def __init__(self, choices: Choices) -> None:
        self.choices = choices
        self.shared: list[tuple[str, str]] = []
        self._places: dict[tuple[str, int, int | None], list[tuple[str, Fragment]]] = {}

    def size(self) -> int:
        """Return a number of units."""
        return int(self.choices.pick((2, 3, 4, 1)))

    # From (batch, time, features) to (batch, time, features), the same steps.

    def steps(self, features: int, depth: int, units: int | None = None) -> Fragment:
        """Return a layer over sequences that keeps the steps, with so many units if they are given."""
        kind = self.choices.number(0, 13) if depth else 0
        if kind <= 7:
            return self._once_more("steps", features, units, lambda: self._step_leaf(features, units, depth))
        if kind <= 9:
            first = self.steps(features, depth - 1)
            return chained("Sequential", first, self.steps(first.features, depth - 1, units))
        if kind == 10:
            inner = self.steps(features, depth - 1, features)
            return with_units(wrapped("Residual", inner), units)
        if kind == 11:
            a, b = self.steps(features, depth - 1), self.steps(features, depth - 1)
            joined = Fragment(f"Concat({a.code}, {b.code})", a.features + b.features, a.flags | b.flags)
            return with_units(joined, units)
        if kind == 12:
            return with_units(self._branches(features, depth), units)
        n = units or self.size()
        layer = self.choices.pick(("GRU", "SimpleRNN", "LSTM", *_MODERN))
        code = (
            f"Sequential({layer}({n}, return_sequences=True, return_state=True), {layer}({n}, return_sequences=True))"
        )
        return Fragment(code, n, frozenset({"whole"}))

    def _branches(self, features: int, depth: int) -> Fragment:
        """Return a graph in which a value goes to two layers, whose outputs are joined."""
        a = self.steps(features, depth - 1)
        b = self.steps(features, depth - 1, a.features)
        how = self.choices.pick(("add", "multiply", "average"))
        if self.choices.one_in(3):  # the same layer twice
            b = self.steps(a.features, depth - 1, features)
            steps = f"[(0, 0), (1, 1), ('{how}', 0, 2), (0, 3)]"
            return Fragment(f"Graph([{a.code}, {b.code}], {steps}, [4])", a.features, a.flags | b.flags)
        code = f"Graph([{a.code}, {b.code}], [(0, 0), (1, 0), ('{how}', 1, 2)], [3])"
        return Fragment(code, a.features, a.flags | b.flags)

    def _step_leaf(self, features: int, units: int | None, depth: int) -> Fragment:
        c, n = self.choices, units or self.size()
        kind = c.number(0, 9)
        if kind <= 1:
            return self._recurrent(features, n, depth, sequences=True)
        if kind == 2:
            return self._bidirectional(features, units, depth, sequences=True)
        if kind == 3:
            return with_units(draw_windows(c, features, n), units)
        if kind == 4:
            causal, heads = c.pick((True, False)), c.pick((1, 2))
            code = f"SelfAttention({heads}, {n * heads}, causal={causal}{c.pick(('', '', ', dropout=0.3'))})"
            found = Fragment(code, n * heads, frozenset() if causal else frozenset({"whole"}))
            return with_units(found, units)
        if kind == 5:
            code = c.pick(("PositionalEncoding()", "RecurrentDropout(0.4)", *OVER_ROWS))
            found = Fragment(code, features, frozenset({"whole"}) if code in OVER_ROWS else frozenset())
            return with_units(found, units)
        return self._vector_leaf(features, units)

    def _recurrent(self, features: int, units: int, depth: int, sequences: bool, back: bool = True) -> Fragment:
        """Return a recurrent layer, of the last step or of all."""
        c = self.choices
        kind = c.number(0, 8)
        settings = ["return_sequences=True"] if sequences else []
        backwards = back and c.one_in(4)
        settings += ["go_backwards=True"] if backwards else []
        flags = frozenset({"whole"}) if backwards else frozenset()
        if kind == 8 and sequences and not backwards:
            return Fragment(f"DoubledGRU({units})", units, frozenset({"whole"}))
        if kind >= 6 and depth:
            cell = self._cell(features, units, depth - 1)
            return Fragment(f"Recurrent({', '.join([cell.code, *settings])})", units, flags | cell.flags)
        names = (
            "SimpleRNN",
            "GRU",
            "LSTM",
            "KeywordGRU",
            "KeywordLSTM",
            "LoggedGRU",
            "LayerNormLSTM",
            "LayerNormGRU",
            *_MODERN,
        )
        name = c.pick(names)
        if name == "LoggedGRU":
            flags = flags | {"whole"}  # as forward is its own, it has no stream
        if name == "SimpleRNN" and c.one_in(3):
            settings.append("activation='relu'")
        if name in ("GRU", "KeywordGRU") and c.one_in(3):
            settings.append("reset_after=False")
        if name == "IndRNN" and c.one_in(2):
            settings.append("activation='tanh'")
        if name == "SLSTM" and c.one_in(3):
            settings.append("forget='exp'")
        if name != "LRU" and c.one_in(4):
            settings.append("use_bias=False")
        if name in ("SimpleRNN", "GRU", "LSTM", "LayerNormLSTM", "LayerNormGRU") and c.one_in(5):
            settings.append("recurrent_dropout=0.3")
        inner = str(units)
        if name == "LSTM" and c.one_in(4):
            inner = f"{self.size()}, projection={units}"
        return Fragment(f"{name}({', '.join([inner, *settings])})", units, flags)

    def _bidirectional(self, features: int, units: int | None, depth: int, sequences: bool) -> Fragment:
        merge = self.choices.pick(_MERGES if units is None else ("sum", "average", "multiply"))
        inner = self._recurrent(features, units or self.size(), depth, sequences, back=False)
        if inner.code.startswith("DoubledGRU"):
            inner = Fragment(f"GRU({inner.features}, return_sequences=True)", inner.features)
        found = inner.features * (2 if merge == "concat" else 1)
        return Fragment(f"Bidirectional({inner.code}, {merge!r})", found, inner.flags | {"whole"})

    def _cell(self, features: int, units: int, depth: int) -> Fragment:
        """Return a cell with layers in it."""
        inner = self.vectors(features, depth, units)
        kind = self.choices.number(0, 4)
        if kind == 3:
            return Fragment(self._gated_cell(units), units)
        if kind == 4:
            n, first = self.size(), self.vectors(features, depth)
            last = self.vectors(n, depth, units) if self.choices.one_in(2) else Fragment(self._gated_cell(units), units)
            between = self.choices.pick(("", "Dropout(0.3), ", "LayerNorm(), "))
            code = f"StackedCells({first.code}, {self._gated_cell(n)}, {between}{last.code})"
            return Fragment(code, units, first.flags | last.flags)
        if kind == 0:
            return Fragment(f"Averaging({inner.code}, {units})", units, inner.flags)
        if kind == 1:
            return Fragment(f"Remembering({inner.code}, {units})", units, inner.flags)
        second = self.vectors(units, depth, units)
        return Fragment(f"Mixing({inner.code}, {second.code}, {units})", units, inner.flags | second.flags)

    def _gated_cell(self, units: int) -> str:
        """Return one of the product's cells."""
        name = self.choices.pick(("SimpleRNNCell", "LSTMCell", "GRUCell"))
        more = ", use_bias=False" if self.choices.one_in(4) else ""
        return f"{name}({units}{more})"

    # From (batch, ..., features) to (batch, ..., units), row by row and step by step.

    def vectors(self, features: int, depth: int, units: int | None = None) -> Fragment:
        """Return a layer over rows, or single steps."""
        kind = self.choices.number(0, 8) if depth else 0
        if kind <= 5:
            return self._once_more("vectors", features, units, lambda: self._vector_leaf(features, units))
        if kind == 6:
            first = self.vectors(features, depth - 1)
            return chained("Sequential", first, self.vectors(first.features, depth - 1, units))
        if kind == 7:
            inner = self.vectors(features, depth - 1, features)
            return with_units(wrapped("Residual", inner), units)
        a, b = self.vectors(features, depth - 1), self.vectors(features, depth - 1)
        joined = Fragment(f"Concat({a.code}, {b.code})", a.features + b.features, a.flags | b.flags)
        return with_units(joined, units)

    def _vector_leaf(self, features: int, units: int | None) -> Fragment:
        c, n = self.choices, units or self.size()
        kind = c.number(0, 7)
        if kind <= 2:
            name = c.pick(("Dense", "Dense", "KeywordDense", "Doubled", "LoggedDense"))
            more = ", use_bias=False" if c.one_in(4) else ""
            return Fragment(self._maybe_frozen(f"{name}({n}{more})"), n)
        if kind <= 4:
            found = Fragment(self._maybe_frozen(c.pick(ACTIVATIONS)), features)
            if c.one_in(12):
                halves = c.pick(("GLU()", "GLU('silu')", "GLU('gelu')", "GLU('linear')"))
                found = Fragment(f"Sequential(Dense({2 * n}), {halves})", n)
        elif kind == 5:
            found = Fragment(self._maybe_frozen(c.pick(NORMALIZATIONS)), features)
        elif kind == 6:
            found = Fragment(c.pick(("Dropout(0.3)", "Noise()")), features)
        else:
            settings = c.pick(("", "momentum=0.5", "use_scale=False"))
            found = Fragment(f"BatchNorm({settings})", features, frozenset({"statistics"}))
        return with_units(found, units)

    # From (batch, time, features) to (batch, units), or to other steps.

    def reduced(self, features: int, depth: int, fixed_time: int | None) -> Fragment:
        """Return a layer that takes the time axis away."""
        c = self.choices
        kind = c.number(0, 5 if fixed_time is None else 9)
        if kind == 0:
            code = c.pick(
                (
                    "LastStep()",
                    "GlobalMaxPool1D()",
                    "GlobalAveragePool1D()",
                    "DecoratedMean()",
                    "Select(-1)",
                    "Select(0)",
                )
            )
            streams = code.startswith(("Last", "Select"))
            return Fragment(code, features, frozenset() if streams else frozenset({"whole"}))
        if kind <= 2:
            return self._recurrent(features, self.size(), depth, sequences=False)
        if kind == 3:
            return self._bidirectional(features, None, depth, sequences=False)
        if kind <= 5:
            first = self.steps(features, max(depth - 1, 0))
            last = (
                self.reduced(first.features, depth - 1, fixed_time) if depth else Fragment("LastStep()", first.features)
            )
            return chained("Sequential", first, last)
        assert fixed_time is not None
        return Fragment("Flatten()", features * fixed_time, frozenset({"whole"}))

    def resampled(self, features: int, fixed_time: int | None, time: int) -> Fragment:
        """Return a layer that gives other steps than it takes."""
        c, n = self.choices, self.size()
        whole = frozenset({"whole"})
        kind = c.number(0, 4 if fixed_time is None else 8)
        if kind == 4:
            return Fragment(f"Slice({c.pick(('1', 'stop=-1', '-2', 'step=2', '0, 2'))})", features, whole)
        kind = min(kind, 7)
        if kind <= 3:
            return draw_resampling(c, features, n)
        if kind <= 5:
            return Fragment(f"Reshape(({time}, {features}))", features, whole)
        return Fragment("Permute((2, 1))", time, whole)

    # What they share.

    def _maybe_frozen(self, code: str) -> str:
        return f"frozen({code})" if self.choices.one_in(12) else code

    def _once_more(self, kind: str, features: int, units: int | None, make: Callable[[], Fragment]) -> Fragment:
        """Return a new layer, or one that stands elsewhere already, or a new one that may stand elsewhere too."""
        known = [
            own for place in ((kind, features, units), (kind, features, None)) for own in self._places.get(place, ())
        ]
        known = [own for own in known if units in (None, own[1].features)]
        if known and self.choices.one_in(3):
            name, fragment = self.choices.pick(known)
            return Fragment(name, fragment.features, fragment.flags)
        made = make()
        if self.choices.one_in(10):
            name = f"shared_{len(self.shared)}"
            self.shared.append((name, made.code))
            made = Fragment(name, made.features, made.flags)
            self._places.setdefault((kind, features, units), []).append((name, made))
        return made
