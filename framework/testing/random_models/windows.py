"""Pieces of random models over windows of the time axis: convolution, transposed convolution and pooling."""

from __future__ import annotations

from lamina.testing.random_models.fragment import Choices, Fragment

__all__ = ["draw_resampling", "draw_windows"]

_WHOLE = frozenset({"whole"})
_NONE: frozenset[str] = frozenset()


def draw_windows(c: Choices, features: int, units: int) -> Fragment:
    """Return a layer that gives an output for each step; pooling keeps the features, whatever the units."""
    kind, size, dilation = c.number(0, 4), c.number(1, 3), c.pick((1, 1, 2))
    reach = (size - 1) * dilation
    if kind <= 2:
        before = c.pick((reach, reach // 2, 0))
        padding = c.pick(("'causal'", "'same'", f"({before}, {reach - before})"))
        causal = padding in ("'causal'", f"({reach}, 0)")
        flags = _NONE if causal else _WHOLE
        more = f"{_groups(c, features, units)}{_bias(c)}"
        return Fragment(f"Conv1D({units}, {size}, padding={padding}, dilation={dilation}{more})", units, flags)
    if kind == 3:
        before = c.pick((0, reach // 2, reach))
        padding = c.pick(("'causal'", "'same'", f"({before}, {reach - before})"))
        causal = padding in ("'causal'", f"(0, {reach})")
        flags = _NONE if causal else _WHOLE
        more = f"{_groups(c, features, units)}{_bias(c)}"
        return Fragment(f"Conv1DTranspose({units}, {size}, padding={padding}, dilation={dilation}{more})", units, flags)
    padding = c.pick((f"({reach}, 0)", "'same'", f"({reach // 2}, {reach - reach // 2})"))
    flags = _NONE if padding == f"({reach}, 0)" else _WHOLE
    name = _pool(c)
    more = ", count_padding=True" if name.startswith("Average") and c.one_in(2) else ""
    return Fragment(f"{name}{size}, 1, {padding}, dilation={dilation}{more})", features, flags)


def draw_resampling(c: Choices, features: int, units: int) -> Fragment:
    """Return a layer that gives other steps than it takes, at least one for two."""
    kind = c.number(0, 5)
    if kind == 0:
        size, padding = c.number(1, 3), c.pick(("'same'", "'causal'", "1", "(2, 1)"))
        more = _groups(c, features, units)
        return Fragment(f"Conv1D({units}, {size}, stride=2, padding={padding}{more})", units, _WHOLE)
    if kind == 1:
        return Fragment(f"Conv1D({units}, 2, padding='valid')", units, _WHOLE)
    if kind == 2:
        size, stride, more = c.number(1, 3), c.pick((2, 1, 3)), _groups(c, features, units)
        padding = c.pick(("'same'", "'causal'", "'valid'", "(0, 1)" if size > 1 else "0"))
        more += ", output_padding=1" if padding[0] == "(" and stride > 1 and c.one_in(2) else ""
        return Fragment(f"Conv1DTranspose({units}, {size}, stride={stride}, padding={padding}{more})", units, _WHOLE)
    name, stride = _pool(c), c.pick((1, 2))
    if kind <= 4:
        padding = c.pick(("'same'", "'valid'", "(1, 0)", "1"))
        ceil = ", ceil=True" if c.one_in(3) else ""
        return Fragment(f"{name}2, {stride}, {padding}{ceil})", features, _WHOLE)
    return Fragment(f"{name}2, {stride}, {c.pick(('1', '2', '(2, 1)'))}, dilation=2)", features, _WHOLE)


def _pool(c: Choices) -> str:
    return f"{c.pick(('MaxPool1D', 'AveragePool1D'))}("


def _bias(c: Choices) -> str:
    return "" if c.one_in(2) else ", use_bias=False"


def _groups(c: Choices, features: int, units: int) -> str:
    """Return groups that features and units can be divided by, now and then."""
    most = c.pick([size for size in (1, 2, 3, 4) if not features % size and not units % size])
    return f", groups={most}" if most > 1 else ""
