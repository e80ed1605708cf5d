"""A loop over the steps of a sequence, whose states stay as they are past each row's end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from lamina.onnx.graph import Body, Graph

__all__ = ["Step", "scan"]

#: Called with the body, what enters at a step, and the states before; returns those after.
Step = Callable[[Body, str, Sequence[str]], Sequence[str]]


def scan(
    graph: Graph, x: Any, states: Sequence[str], step: Step, lengths: str | None, *, reverse: bool = False
) -> tuple[str, tuple[str, ...]]:
    """Add a loop; return the first state after each step, 0 past each row's end, and all states after the last one.

    Parameters
    ----------
    graph : Graph
    x : (batch, time, size)
    states : (batch, size) each
        Before the first step.
    step : callable
    lengths : str or None
    reverse : bool
        Whether to go from the last step of each row to its first.
    """
    body = Body(graph)
    before = [body.input("before") for _ in states]
    entering = body.input("entering")
    masked = lengths is not None
    valid = body.input("valid", "bool") if masked else ""
    after = step(body, entering, before)
    if masked:
        inside = body.add("Unsqueeze", valid, [1])
        after = [body.add("Where", inside, new, old) for new, old in zip(after, before, strict=True)]
    # Each output has a name of its own, and none is an input's.
    given = [body.add("Identity", one) for one in (*after, after[0])]
    count = 2 if masked else 1
    back = int(reverse)
    outputs = graph.add_several(
        "Scan",
        len(given),
        *states,
        x,
        *([graph.valid(lengths, graph.size(x, 1))] if lengths is not None else []),
        body=body.proto([(name, graph.dtype) for name in given]),
        num_scan_inputs=count,
        scan_input_axes=[1] * count,
        scan_input_directions=[back] * count,
        scan_output_axes=[1],
        scan_output_directions=[back],
    )
    *last, h = outputs
    return graph.fill_past(h, 3, lengths), tuple(last)
