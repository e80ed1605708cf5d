"""Random graphs: layers wired by hand over one or two sequences, shared and tied ones, states, several outputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lamina.testing.random_models.fragment import Choices, Fragment
from lamina.testing.random_models.fragments import Pieces
from lamina.testing.random_models.operators import OPERATORS, features_after

__all__ = ["Given", "Kind", "Wiring", "draw_embedding", "draw_graph"]


@dataclass(frozen=True)
class Kind:
    """What a value is.

    Attributes
    ----------
    features : int
    time : str
        Which time axis it has: values of one may be joined; ``""`` of one without.
    """

    features: int
    time: str = ""


@dataclass(frozen=True)
class Given:
    """An input of a model.

    Attributes
    ----------
    code : str
    kind : Kind
    classes : int
        Of integers; 0 of numbers.
    steps : int
        Of its time axis, where it has one.
    """

    code: str
    kind: Kind
    classes: int = 0
    steps: int = 0


class Wiring:
    """A graph as it is put together: layers, steps, and the kinds of the values so far."""

    def __init__(self, kinds: Sequence[Kind]) -> None:
        self.layers: list[str] = []
        self.steps: list[str] = []
        self.kinds = list(kinds)
        self.flags: set[str] = set()
        self.ties: list[str] = []
        self.times = 0
        # Layers that may be called again, by what they take: place, kind given.
        self.places: list[tuple[int, Kind, Kind]] = []

    def call(self, fragment: Fragment, taken: Sequence[int], given: Sequence[Kind]) -> int:
        """Add a call of a new layer, and return its place."""
        self.layers.append(fragment.code)
        self.flags |= fragment.flags
        self.step(str(len(self.layers) - 1), taken, given)
        return len(self.layers) - 1

    def step(self, what: str, taken: Sequence[int], given: Sequence[Kind]) -> None:
        """Add a step."""
        self.steps.append(f"({', '.join([what, *map(str, taken)])})")
        self.kinds.extend(given)

    def new_time(self, time: str) -> str:
        """Return the name of a time axis that arose of another one: of no other value, an input's included."""
        known = {kind.time for kind in self.kinds}
        self.times += 1
        while f"{time}{self.times}" in known:
            self.times += 1
        return f"{time}{self.times}"

    def code(self, outputs: Sequence[int]) -> str:
        """Return the expression."""
        ties = f", ties=[{', '.join(self.ties)}]" if self.ties else ""
        return f"Graph([{', '.join(self.layers)}], [{', '.join(self.steps)}], {list(outputs)}{ties})"


def draw_embedding(c: Choices, classes: int) -> Fragment:
    """Return a layer for integers."""
    units = c.pick((2, 3))
    return Fragment(f"Embedding({classes}, {units}{c.pick(('', ', row_wise=False'))})", units)


def draw_graph(
    c: Choices, pieces: Pieces, inputs: Sequence[Given], sizes: Sequence[int | None], depth: int, nested: bool
) -> tuple[str, list[Kind], frozenset[str]]:
    """Return layers wired by hand over some inputs, with one output or several."""
    wiring = Wiring([one.kind for one in inputs])
    used: set[int] = set()
    for index, one in enumerate(inputs):
        if one.classes:
            fragment = draw_embedding(c, one.classes)
            place = wiring.call(fragment, [index], [Kind(fragment.features, one.kind.time)])
            used.add(index)
            same = [own for own in wiring.ties if own]
            if c.one_in(3) and not same:  # the same table once more, tied or shared
                if c.one_in(2):
                    wiring.step(str(place), [index], [wiring.kinds[-1]])
                else:
                    wiring.call(fragment, [index], [wiring.kinds[-1]])
                    wiring.ties.append(f"({place}, 'w', {place + 1}, 'w')")
    first = len(inputs)
    for _ in range(c.number(1, 5)):
        _one_step(c, pieces, wiring, depth, nested)
    ready = [index for index in range(first, len(wiring.kinds)) if wiring.kinds[index].features]
    last = ready[-1]
    outputs = [last]
    if c.one_in(4) and len(ready) > 1:
        outputs = [c.pick(ready[:-1]), last]
        if c.one_in(3) and len(ready) > 2:
            outputs.append(c.pick(ready[:-1]))
    return wiring.code(outputs), [wiring.kinds[index] for index in outputs], frozenset(wiring.flags)


def _attention_step(c: Choices, wiring: Wiring, sequences: Sequence[int]) -> None:
    """Add the attention of one sequence to another, of other steps and lengths; or to itself."""
    query, keys = c.pick(sequences), c.pick(sequences)
    taken, heads, units = [query, keys], c.pick((1, 2)), c.pick((1, 2))
    if c.one_in(3):
        taken.append(keys)  # values, here the keys again
    more = c.pick(("", ", use_bias=False", ", dropout=0.4", ", causal=True"))
    fragment = Fragment(f"Attention({heads}, {units * heads}{more})", units * heads, frozenset({"whole"}))
    wiring.call(fragment, taken, [Kind(units * heads, wiring.kinds[query].time)])


def _one_step(c: Choices, pieces: Pieces, wiring: Wiring, depth: int, nested: bool) -> None:
    """Add a step to a graph: a layer on a value, a join, a layer over several values, or one called again."""
    values = [index for index, kind in enumerate(wiring.kinds) if kind.features]
    sequences = [index for index in values if wiring.kinds[index].time]
    value = c.pick(values[::-1])
    kind, what = wiring.kinds[value], c.number(0, 17)
    if what == 17 and len(sequences) > 1:
        _attention_step(c, wiring, sequences)
        return
    if what >= 14:
        _operator_step(c, wiring, value)
        return
    if what >= 11 and len(sequences) and _recurrent_step(c, wiring, c.pick(sequences[::-1])):
        return
    if 8 <= what <= 10 and nested and len(sequences) > 1 and depth:
        _nested_step(c, pieces, wiring, sequences, depth)
        return
    if what >= 6:
        alike = [other for other in values if wiring.kinds[other] == kind and other != value]
        if alike:
            _join_step(c, wiring, value, c.pick(alike[::-1]))
            return
    if what == 5:
        same = [one for one in wiring.places if one[1] == kind]
        if same:
            place, _, given = c.pick(same)
            wiring.step(str(place), [value], [given])
            return
    if not kind.time:
        fragment = pieces.vectors(kind.features, depth - 1)
        place = wiring.call(fragment, [value], [Kind(fragment.features)])
        wiring.places.append((place, kind, Kind(fragment.features)))
        _maybe_tied(c, wiring, fragment, value, Kind(fragment.features))
        return
    if what == 4:
        fragment = pieces.reduced(kind.features, 1, None)
        place, given = wiring.call(fragment, [value], [Kind(fragment.features)]), Kind(fragment.features)
    elif what == 3 and c.one_in(2):
        fragment = pieces.resampled(kind.features, None, 0)
        given = Kind(fragment.features, wiring.new_time(kind.time))
        place = wiring.call(fragment, [value], [given])
    else:
        fragment = pieces.steps(kind.features, depth - 1)
        given = Kind(fragment.features, kind.time)
        place = wiring.call(fragment, [value], [given])
        _maybe_tied(c, wiring, fragment, value, given)
    if not given.time or given.time == kind.time:
        wiring.places.append((place, kind, given))


def _maybe_tied(c: Choices, wiring: Wiring, fragment: Fragment, value: int, given: Kind) -> None:
    """Add a twin of a layer that has one of its parameters."""
    name = next((own for start, own in _TIED.items() if fragment.code.startswith(start)), None)
    if name is not None and c.one_in(4):
        place = len(wiring.layers) - 1
        wiring.call(fragment, [value], [given])
        wiring.ties.append(f"({place}, {name!r}, {place + 1}, {name!r})")


_TIED = {
    "Dense(": "w",
    "GRU(": "w_h",
    "LSTM(": "w_x",
    "SimpleRNN(": "w_h",
    "Conv1D(": "w",
    "Conv1DTranspose(": "w",
    "LayerNorm()": "scale",
}


def _recurrent_step(c: Choices, wiring: Wiring, value: int) -> bool:
    """Add a recurrent layer that gives its last states, or takes a first one."""
    kind = wiring.kinds[value]
    name = c.pick(("GRU", "SimpleRNN", "LSTM", "MinGRU", "MinLSTM", "IndRNN"))
    count = 2 if name == "LSTM" else 1
    back = c.pick(("", "", ", go_backwards=True"))
    states = [index for index, own in enumerate(wiring.kinds) if own.features and not own.time]
    if states and c.one_in(2):
        units = wiring.kinds[c.pick(states[::-1])].features
        fitting = [index for index in states if wiring.kinds[index].features == units]
        if c.one_in(3):
            code = f"Bidirectional({name}({units}, return_sequences=True), {c.pick(('sum', 'multiply', 'average'))!r})"
            taken = [value, *[c.pick(fitting) for _ in range(2 * count)]]
            wiring.call(Fragment(code, units, frozenset({"whole"})), taken, [Kind(units, kind.time)])
            return True
        taken = [value, *[c.pick(fitting) for _ in range(count)]]
        returned = c.pick((False, True))
        code = f"{name}({units}, return_sequences=True{', return_state=True' if returned else ''}{back})"
        given = [Kind(units, kind.time), *([Kind(units)] * count if returned else [])]
        wiring.call(Fragment(code, units, frozenset({"whole"})), taken, given)
        return True
    units = c.pick((2, 3, 4))
    code = f"{name}({units}, return_sequences=True, return_state=True{back})"
    flags = frozenset({"whole"}) if back else frozenset[str]()
    wiring.call(Fragment(code, units, flags), [value], [Kind(units, kind.time), *[Kind(units)] * count])
    return True


def _join_step(c: Choices, wiring: Wiring, value: int, other: int) -> None:
    kind = wiring.kinds[value]
    how = c.pick(("add", "concatenate", "multiply", "average", "Add()", "Multiply()", "Subtract()", "Divide()"))
    given = Kind(kind.features * 2 if how == "concatenate" else kind.features, kind.time)
    if how == "Divide()":  # by nothing near 0
        wiring.call(Fragment("Sequential(Sigmoid(), Rescaling(1.0, 1.0))", kind.features), [other], [kind])
        other = len(wiring.kinds) - 1
    if how.endswith(")"):
        wiring.call(Fragment(how, kind.features), [value, other], [given])
    else:
        wiring.step(repr(how), [value, other], [given])


def _operator_step(c: Choices, wiring: Wiring, value: int) -> None:
    """Add what an operator, or a slice, makes of a value, or the parts of its features."""
    kind = wiring.kinds[value]
    if kind.features > 1 and c.one_in(6):
        sizes = [1, kind.features - 1]
        wiring.call(Fragment(f"Split({sizes})", 0), [value], [Kind(size, kind.time) for size in sizes])
        return
    alike = [place for place, other in enumerate(wiring.kinds) if other == kind]
    vectors = [place for place, other in enumerate(wiring.kinds) if other == Kind(kind.features)]
    fitting = [
        text
        for text, one in OPERATORS.items()
        if (kind.time or (one.takes != "av" and "[:," not in text)) and (one.takes != "av" or vectors)
    ]
    text = c.pick(fitting)
    operator = OPERATORS[text]
    taken = [value]
    if operator.takes != "a":
        taken.append(c.pick((alike if operator.takes == "ab" else vectors)[::-1]))
    time = kind.time if operator.time == "same" else ""
    if operator.time == "other":
        time = wiring.new_time(kind.time)
    wiring.flags |= {"whole"} if operator.whole else set()
    wiring.step(repr(text), taken, [Kind(features_after(text, kind.features), time)])


def _nested_step(c: Choices, pieces: Pieces, wiring: Wiring, sequences: Sequence[int], depth: int) -> None:
    """Add a graph of two sequences as a layer."""
    taken = [c.pick(sequences[::-1]), c.pick(sequences)]
    inputs = [Given("", wiring.kinds[index]) for index in taken]
    code, kinds, flags = draw_graph(c, pieces, inputs, [None, None], depth - 1, nested=False)
    wiring.times += 1
    known = {one.kind.time for one in inputs}
    # A time axis that arose within is another one than any outside.
    given = [
        one if not one.time or one.time in known else Kind(one.features, f"{one.time}.{wiring.times}") for one in kinds
    ]
    wiring.call(Fragment(code, 0, flags), taken, given)
