"""Random encoder-decoders: of two inputs one can be given whole, and the other one comes step by step."""

from __future__ import annotations

from collections.abc import Sequence

from lamina.testing.random_models.fragment import Choices, Fragment
from lamina.testing.random_models.fragments import Pieces
from lamina.testing.random_models.graphs import Given, Kind, Wiring, draw_embedding

__all__ = ["draw_decoder"]

_RECURRENT = ("GRU", "SimpleRNN", "LSTM", "MinGRU", "MinLSTM", "IndRNN", "LayerNormGRU")


def draw_decoder(c: Choices, pieces: Pieces, inputs: Sequence[Given]) -> tuple[str, list[Kind], frozenset[str]]:
    """Return a model over two inputs, of which the second is read by layers that stream once the first is known."""
    drawing = _Decoder(c, pieces, inputs)
    for _ in range(c.number(1, 3)):
        drawing.grow()
    outputs = [drawing.target]
    if c.one_in(4):
        outputs.insert(c.pick((0, 1)), c.pick(drawing.whole))
    wiring = drawing.wiring
    kinds = [wiring.kinds[place] for place in outputs]
    return wiring.code(outputs), kinds, frozenset(wiring.flags | {"whole", "decoder"})


class _Decoder:
    """A graph as it is put together: values that are whole, and the one that comes step by step.

    Attributes
    ----------
    whole : list of int
        Sequences and vectors that the first input makes.
    target : int
        The latest of what the second input makes.
    """

    def __init__(self, c: Choices, pieces: Pieces, inputs: Sequence[Given]) -> None:
        self.c, self.pieces = c, pieces
        self.wiring = Wiring([one.kind for one in inputs])
        swapped = bool(inputs[1].kind.time == "" or c.one_in(3))
        self.source, self.target = (self._entered(place, inputs[place]) for place in ((1, 0) if swapped else (0, 1)))
        self.whole: list[int] = []
        kind = self.kind(self.source)
        if kind.time:
            self.source = self._called(pieces.steps(kind.features, 2), self.source, kind.time)
            if c.one_in(4):
                self.wiring.times += 1
                fragment = pieces.resampled(self.kind(self.source).features, None, 0)
                self.source = self._called(fragment, self.source, f"{kind.time}{self.wiring.times}")
            self.whole.append(self.source)
            self.whole.append(self._vector())
        else:
            self.whole.append(self._called(pieces.vectors(kind.features, 1), self.source, ""))

    def kind(self, place: int) -> Kind:
        """Return what a value is."""
        return self.wiring.kinds[place]

    def grow(self) -> None:
        """Add something that reads the target, and maybe what is whole."""
        sequences = [place for place in self.whole if self.kind(place).time]
        what = self.c.number(0, 5)
        if what <= 1 and sequences:
            self._attention(self.c.pick(sequences))
        elif what <= 3:
            self._recurrent()
        elif what == 4:
            self._broadcast()
        else:
            fragment = self.pieces.steps(self.kind(self.target).features, 1)
            if "whole" in fragment.flags:
                fragment = Fragment("Dense(3)", 3)
            self.target = self._called(fragment, self.target, self.kind(self.target).time)

    def _entered(self, place: int, given: Given) -> int:
        if not given.classes:
            return place
        return self._called(draw_embedding(self.c, given.classes), place, given.kind.time)

    def _called(self, fragment: Fragment, place: int, time: str) -> int:
        self.wiring.call(fragment, [place], [Kind(fragment.features, time)])
        return len(self.wiring.kinds) - 1

    def _vector(self) -> int:
        """Add a vector that the source makes: a last state, or what takes its time axis away."""
        kind, c = self.kind(self.source), self.c
        if c.one_in(3):
            return self._called(self.pieces.reduced(kind.features, 1, None), self.source, "")
        units, name = c.pick((2, 3)), c.pick(("GRU", "SimpleRNN", "MinGRU"))
        code = f"{name}({units}, return_sequences=True, return_state=True{c.pick(('', ', go_backwards=True'))})"
        self.wiring.call(Fragment(code, units), [self.source], [Kind(units, kind.time), Kind(units)])
        self.whole.append(len(self.wiring.kinds) - 2)
        return len(self.wiring.kinds) - 1

    def _recurrent(self) -> None:
        """Add a recurrent layer that begins with a vector, alone or before another layer."""
        c, kind = self.c, self.kind(self.target)
        vectors = [place for place in self.whole if not self.kind(place).time]
        state = c.pick(vectors)
        units, name = self.kind(state).features, c.pick(_RECURRENT)
        if c.one_in(4):
            name, code = "cell", f"Recurrent(Averaging(Dense({units}), {units}), return_sequences=True)"
        else:
            code = f"{name}({units}, return_sequences=True)"
        if c.one_in(4):
            code = f"Sequential({code}, Dense({units}))"
        self.wiring.call(
            Fragment(code, units), [self.target, *[state] * (2 if name == "LSTM" else 1)], [Kind(units, kind.time)]
        )
        self.target = len(self.wiring.kinds) - 1

    def _attention(self, memory: int) -> None:
        """Add attention to a sequence, maybe within a graph that hands the sequence on."""
        c, kind, heads = self.c, self.kind(self.target), self.c.pick((1, 2))
        more = c.pick(("", ", use_bias=False", ", dropout=0.4", ", causal=True"))
        code, units = f"Attention({heads}, {2 * heads}{more})", 2 * heads
        given = Kind(units, kind.time)
        if c.one_in(3):
            inner = f"Graph([{code}], [(0, 1, 0)], [2, 0])"
            self.wiring.call(Fragment(inner, units), [memory, self.target], [given, self.kind(memory)])
            self.target = len(self.wiring.kinds) - 2
            self.whole.append(self.target + 1)
            return
        self.wiring.call(Fragment(code, units), [self.target, memory, *([memory] if c.one_in(3) else [])], [given])
        self.target = len(self.wiring.kinds) - 1

    def _broadcast(self) -> None:
        """Take a vector for every step."""
        c, kind = self.c, self.kind(self.target)
        vector = c.pick([place for place in self.whole if not self.kind(place).time])
        if self.kind(vector).features != kind.features:
            vector = self._called(Fragment(f"Dense({kind.features})", kind.features), vector, "")
        how = c.pick(("a * v", "v - a", "Add(broadcast=True)"))
        if how.endswith(")"):
            self.wiring.call(Fragment(how, kind.features), [self.target, vector], [kind])
        else:
            self.wiring.step(repr(how), [self.target, vector], [kind])
        self.target = len(self.wiring.kinds) - 1
