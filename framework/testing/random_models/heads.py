"""Random models of several outputs over one sequence: recurrent layers, and heads on their steps or on the last one."""

from __future__ import annotations

from lamina.testing.random_models.fragment import Choices, Fragment
from lamina.testing.random_models.graphs import Given, Kind, Wiring, draw_embedding

__all__ = ["draw_heads"]

_MASKED = "SimpleRNN", "GRU", "LSTM"


def draw_heads(c: Choices, given: Given) -> tuple[str, list[Kind], frozenset[str]]:
    """Return a body of one or two recurrent layers, and two or three outputs of it: what engines plan as one step."""
    wiring = Wiring([given.kind])
    time, place, features = given.kind.time, 0, given.kind.features
    if given.classes:
        fragment = draw_embedding(c, given.classes)
        place, features = _add(wiring, fragment, place, time), fragment.features
    for _ in range(c.number(1, 2)):
        fragment = _recurrent(c, sequences=True)
        place, features = _add(wiring, fragment, place, time), fragment.features
    outputs = []
    for _ in range(c.number(2, 3)):
        own, after, kind = place, time, c.number(0, 3)
        if kind == 0:
            own, after = _add(wiring, Fragment("LastStep()", features), place, ""), ""
        elif kind == 1:
            fragment = _recurrent(c, sequences=False)
            own, after = _add(wiring, fragment, place, ""), ""
        if kind != 2 or own in outputs:  # else the body's own value is an output
            units = c.pick((1, 2, 3))
            own = _add(wiring, Fragment(f"Dense({units})", units), own, after)
        outputs.append(own)
    return wiring.code(outputs), [wiring.kinds[one] for one in outputs], frozenset(wiring.flags)


def _add(wiring: Wiring, fragment: Fragment, taken: int, time: str) -> int:
    """Add a layer, and return the place of what it gives."""
    wiring.call(fragment, [taken], [Kind(fragment.features, time)])
    return len(wiring.kinds) - 1


def _recurrent(c: Choices, sequences: bool) -> Fragment:
    """Return a layer of a compiled form, with any of its options."""
    name, units = c.pick((*_MASKED, "LSTM", "SLSTM", "MinGRU", "MinLSTM", "LRU", "IndRNN")), c.pick((2, 3, 4))
    inner, settings, flags = str(units), ["return_sequences=True"] if sequences else [], frozenset[str]()
    if name == "LSTM" and c.one_in(2):
        inner = f"{c.pick((2, 3, 5))}, projection={units}"
    if name == "IndRNN" and c.one_in(2):
        settings.append("activation='tanh'")
    if name in _MASKED and c.one_in(4):
        settings.append("recurrent_dropout=0.3")
    if c.one_in(4):
        settings.append("go_backwards=True")
        flags = frozenset({"whole"})
    code = f"{name}({', '.join([inner, *settings])})"
    if not flags and c.one_in(5):
        return Fragment(f"Bidirectional({code}, 'sum')", units, frozenset({"whole"}))
    return Fragment(code, units, flags)
