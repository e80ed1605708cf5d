"""How random models are put together: a chain of layers or a graph, with its data and its training."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lamina.testing.models import MODEL_RELATIONS
from lamina.testing.proofs.model_copies import is_here
from lamina.testing.random_models.decoders import draw_decoder
from lamina.testing.random_models.description import Description
from lamina.testing.random_models.fragment import Choices, Fragment
from lamina.testing.random_models.fragments import Pieces
from lamina.testing.random_models.graphs import Given, Kind, draw_embedding, draw_graph
from lamina.testing.random_models.heads import draw_heads
from lamina.testing.random_models.training import draw_training

__all__ = ["draw_description"]


# Longer models are not trained on the strict backend, which is slow; each is moved to it all the same.
_SHORT = 120
# The ends come more often.
_BACKENDS = (*["numpy"] * 6, *["reference"] * 4, "array-api-strict", *["numba"] * 6, *["numpy"] * 6)


def draw_description(c: Choices) -> Description:
    """Return a random description, on a backend that is here."""
    rows, seed = c.pick((4, 3, 5)), c.number(0, 999)
    fixed = c.one_in(4)
    inputs = [_draw_input(c, rows, "a")]
    if not fixed and c.pick((0, 1)):
        inputs.append(_draw_input(c, rows, c.pick(("b", "b", "a", "")), inputs[0].steps))
    pieces = Pieces(c)
    sizes = [one.steps if fixed else None for one in inputs]
    if len(inputs) == 1 and (fixed or c.one_in(2)):
        model = _chain(c, pieces, inputs[0], sizes[0])
        kinds, flags = [model[1]], model[0].flags
        code = model[0].code
    elif len(inputs) == 2 and c.one_in(3):
        code, kinds, flags = draw_decoder(c, pieces, inputs)
    elif len(inputs) == 1 and c.one_in(3):
        code, kinds, flags = draw_heads(c, inputs[0])
    else:
        code, kinds, flags = draw_graph(c, pieces, inputs, sizes, depth=2, nested=True)
    timed = [one.kind.time for one in inputs]
    lengths, ragged = _draw_lengths(c, rows, inputs, "Flatten()" in code or "Permute" in code or "Reshape" in code)
    if not c.one_in(8) and len(kinds) == 1 and not c.one_in(2):
        head = pieces.vectors(kinds[0].features, 1)
        code, flags = f"Sequential({code}, {head.code})", flags | head.flags
        kinds = [Kind(head.features, kinds[0].time)]
    training = draw_training(c, kinds, rows)
    if training is not None and not _is_trained(code, pieces):
        if len(kinds) == 1:
            code = f"Sequential({code}, Dense({kinds[0].features}))"
        else:
            training = None
    if training is not None and training.head:
        code = f"Sequential({code}, {training.head})"
    # Last: hypothesis makes new descriptions from the beginnings of those before, which then differ in these too.
    dtype = c.pick(("float64", "float64", "float32"))
    backend = c.pick([name for name in _BACKENDS if is_here(name)])
    if backend == "array-api-strict" and len(code) > _SHORT:
        backend = "numpy"
    can = _possible(code, kinds, flags, timed, ragged, training is not None)
    if backend == "array-api-strict":
        can -= {"pickled"}  # its arrays cannot be
    if training is not None and "CTC" in training.loss:
        can -= {"truncate"}  # it has no target for each step
    return Description(
        code,
        tuple(one.code for one in inputs),
        tuple(pieces.shared),
        lengths,
        None if training is None else training.loss,
        None if training is None else training.optimizer,
        None if training is None else training.schedule,
        dtype,
        backend,
        seed,
        frozenset(can),
    )


_TRAINED = re.compile(
    r"(Dense|RU|LSTM|RNN|Conv\w*|Attention|Embedding|Doubled|Noise|PReLU|(Layer|Batch|Group|RMS)Norm)\("
)
# What is frozen, and normalization without parameters.
_UNTRAINED = re.compile(
    r"frozen\(\w+\([^()]*\)\)|RMSNorm\(use_scale=False\)|LayerNorm\((axis=[^=]*, )?use_scale=False, use_shift=False\)"
)


def _is_trained(code: str, pieces: Pieces) -> bool:
    """Tell whether a model has a parameter that is not frozen."""
    whole = " ".join([code, *(one for _, one in pieces.shared)])
    return _TRAINED.search(_UNTRAINED.sub("", whole)) is not None


def _draw_input(c: Choices, rows: int, time: str, steps: int = 0) -> Given:
    features = c.pick((2, 3, 4))
    if not time:
        return Given(f"rng.normal(size=({rows}, {features}))", Kind(features))
    steps = steps if steps and time == "a" else c.pick((5, 4, 6, 3))
    if c.one_in(3):
        classes = c.pick((5, 7))
        return Given(f"rng.integers(0, {classes}, ({rows}, {steps}))", Kind(0, time), classes, steps)
    return Given(f"rng.normal(size=({rows}, {steps}, {features}))", Kind(features, time), 0, steps)


def _chain(c: Choices, pieces: Pieces, given: Given, fixed_time: int | None) -> tuple[Fragment, Kind]:
    """Return layers one after another."""
    parts: list[Fragment] = []
    features, time = given.kind.features, given.kind.time
    if given.classes:
        parts.append(draw_embedding(c, given.classes))
        features = parts[-1].features
    for _ in range(c.number(1, 3)):
        parts.append(pieces.steps(features, 2))
        features = parts[-1].features
    if c.one_in(2 if fixed_time else 5):
        parts.append(pieces.resampled(features, fixed_time, given.steps))
        features, fixed_time = parts[-1].features, None
    if c.pick((0, 1)):
        parts.append(pieces.reduced(features, 1, fixed_time))
        features, time = parts[-1].features, ""
        if c.one_in(5):
            parts.append(Fragment(f"RepeatVector({c.pick((2, 3))})", features, frozenset({"whole"})))
            time = "repeated"
    flags = frozenset[str]().union(*[one.flags for one in parts])
    code = parts[0].code if len(parts) == 1 else f"Sequential({', '.join(one.code for one in parts)})"
    return Fragment(code, features, flags), Kind(features, time)


def _draw_lengths(c: Choices, rows: int, inputs: Sequence[Given], fixed: bool) -> tuple[str, bool]:
    timed = [one for one in inputs if one.kind.time]
    if fixed or not timed or c.one_in(6):
        return "None", False
    drawn: dict[str, list[int]] = {}
    for one in timed:
        own = [c.number(1, one.steps) for _ in range(rows)]
        if c.one_in(8):
            own[c.number(0, rows - 1)] = 0
        drawn.setdefault(one.kind.time, own)
    each = [str(drawn[one.kind.time]) if one.kind.time else "None" for one in inputs]
    if len(each) == 1 or (len(set(each)) == 1 and c.one_in(2)):  # one array for both
        return each[0], True
    return f"({', '.join(each)})", True


def _possible(
    code: str,
    kinds: Sequence[Kind],
    flags: frozenset[str],
    timed: Sequence[str],
    ragged: bool,
    trained: bool,
) -> set[str]:
    """Return the relations whose preconditions can hold, by what the model is made of."""
    can = set(MODEL_RELATIONS) - {"planned"}  # what a backend plans is its own matter
    fixed = any(name in code for name in ("Flatten()", "Permute", "Reshape"))
    if "whole" in flags or not all(timed) or fixed:
        can -= {"truncate"} if "decoder" in flags else {"stream", "truncate"}
    if "statistics" in flags:
        can -= {"gradients of rows", "accumulate", "ranks"}
    if not ragged:
        can -= {"padding", "gradients past the ends"}
    if not trained:
        can -= {name for name, needs in MODEL_RELATIONS.items() if needs.startswith("a loss")}
    elif not all(one.time for one in kinds) or (ragged and len(timed) > 1) or len(set(timed)) > 1:
        can -= {"truncate"}
    elif len(kinds) > 1 and {one.time for one in kinds} != set(timed):
        can -= {"truncate"}  # outputs of other steps
    return can
