"""Checks of a layer's conduct: what it writes, what it holds on to, and what it refuses."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np

from lamina.errors import DTypeError, NotBuiltError, SavedStateError, ShapeError
from lamina.testing.proofs.arrays import (
    HostArray,
    Watch,
    arrays_in,
    as_list,
    expect_close,
    expect_same_bits,
    freeze,
    to_host,
)
from lamina.testing.proofs.passes import Outcome, hosts, parameter_gradients
from lamina.testing.proofs.trial import Trial
from lamina.testing.report import CheckError

__all__ = [
    "accumulation",
    "determinism",
    "errors",
    "inference",
    "input_gradient",
    "interleaving",
    "nothing_kept",
    "read_only",
    "saved_state",
    "threads",
]

_ROUNDING = 1e-12


def accumulation(trial: Trial) -> None:
    """Check that backward adds to gradients: two passes give twice one, and what was there stays, also if frozen."""
    layer = trial.build()
    once = trial.run(layer).gradients
    trial.backward(layer, *trial.forward(layer))
    for name, gradient in parameter_gradients(layer).items():
        expect_close(f"gradient of {name} after two passes, against twice one", gradient, 2 * once[name], _ROUNDING)
    rng, backend = np.random.default_rng(trial.seed), layer.backend
    known = {name: one for name, one in layer.named_parameters().items() if name in once}
    for what in ("added to what was there", "added to what was there, frozen"):
        there = {name: rng.standard_normal(one.shape) for name, one in known.items()}
        for name, parameter in known.items():
            parameter.grad = backend.asarray(there[name], parameter.dtype)
        trial.backward(layer, *trial.forward(layer))
        for name, parameter in known.items():
            got = to_host(backend, parameter.read_grad())
            expect_close(f"gradient of {name}, {what}", got, there[name] + once[name], _ROUNDING)
            parameter.trainable = False


def input_gradient(trial: Trial) -> None:
    """Check that backward without the inputs' gradient gives None for it, and else what it gives with it."""
    layer = trial.build()
    for lengths in (None, trial.lengths) if trial.lengths is not None else (None,):
        expected = trial.expected(lengths)
        layer.zero_grad()
        dx = trial.backward(layer, *trial.forward(layer, lengths=lengths), input_gradient=False)
        for index, (own, other) in enumerate(zip(dx, expected.dx, strict=True)):
            if own is None:
                continue
            if other is None or index < len(dx) - trial.states:  # only an initial state may still get one
                raise CheckError(f"dx {index}: expected None where no input's gradient is wanted, got an array")
            expect_close(f"dx {index}, without the inputs'", to_host(layer.backend, own), other, _ROUNDING)
        for name, gradient in parameter_gradients(layer).items():
            what = f"gradient of {name}, without the inputs'"
            expect_close(what, gradient, expected.gradients[name], _ROUNDING)


def interleaving(trial: Trial) -> None:
    """Check that three forward passes, then their backward passes, last first, give what each gives alone."""
    layer = trial.build()
    # Of the same shape and of another one: a buffer kept on the layer may serve one shape or all.
    batches = [(trial.values, trial.lengths), (trial.other_batch(0), None), (trial.other_batch(1), None)]
    others = [trial.run(layer, values, lengths) for values, lengths in batches[1:]]
    alone = [trial.expected(trial.lengths), *others]
    layer.zero_grad()
    calls = [trial.forward(layer, values, lengths) for values, lengths in batches]
    dx = [trial.backward(layer, *call) for call in reversed(calls)][::-1]
    for index, ((y, _), own, expected) in enumerate(zip(calls, dx, alone, strict=True)):
        got = Outcome(hosts(layer, y), hosts(layer, own), {})
        for (what, array), other in zip(got.named().items(), expected.named().values(), strict=False):
            expect_close(f"{what} of call {index} of three interleaved ones", array, other, _ROUNDING)
    for name, gradient in parameter_gradients(layer).items():
        total = sum(one.gradients[name] for one in alone)
        expect_close(f"gradient of {name}, of three interleaved calls", gradient, np.asarray(total), _ROUNDING)


def read_only(trial: Trial) -> None:
    """Check that nothing is written into inputs, lengths, dy, weights, or arrays already returned."""
    for lengths in (None, trial.lengths) if trial.lengths is not None else (None,):
        layer = trial.build()
        arrays = trial.arrays(layer)
        options = {} if lengths is None else {"lengths": freeze(lengths.copy())}
        weights = {parameter.name: parameter.numpy() for parameter in layer.parameters() if parameter.trainable}
        y, saved = layer.forward(*arrays, **options)
        returned = hosts(layer, y)
        given = trial.gradients_for([array.shape for array in returned])
        dy = [freeze(layer.backend.asarray(array, layer.dtype)) for array in given]
        dx = as_list(layer.backward(tuple(dy) if isinstance(y, tuple) else dy[0], saved))
        dx_before = hosts(layer, dx)
        trial.run(layer, trial.other_batch(0))
        for what, now, before in (
            ("input", arrays, trial.values),
            ("dy", dy, given),
            ("output", as_list(y), returned),
            ("dx", dx, dx_before),
        ):
            for index, (array, expected) in enumerate(zip(now, before, strict=True)):
                if array is not None and expected is not None:
                    expect_same_bits(f"{what} {index}, after the call", to_host(layer.backend, array), expected)
        if lengths is not None:
            expect_same_bits("lengths, after the call", options["lengths"], lengths)
        for parameter in layer.parameters():
            if parameter.trainable:
                expect_same_bits(f"{parameter.name}, after the call", parameter.numpy(), weights[parameter.name])


def saved_state(trial: Trial) -> None:
    """Check that the saved state serves one backward pass, of the layer that made it, and then holds no memory."""
    layer, other = trial.build(), trial.build()
    y, saved = trial.forward(layer, lengths=trial.lengths)
    others = trial.forward(other, lengths=trial.lengths)[1]
    for name, wrong in (("no saved state", None), ("another layer's saved state", others)):
        _expect_raises(SavedStateError, f"backward with {name}", partial(trial.backward, layer, y, wrong))
    # What both hold is nobody's: a constant that a device keeps.
    inside = arrays_in([layer, others], layer.backend)
    watch = Watch(layer.backend, arrays_in(saved, layer.backend, [layer]), inside)
    dx = trial.backward(layer, y, saved)
    first = parameter_gradients(layer)
    _expect_raises(SavedStateError, "a second backward pass", partial(trial.backward, layer, y, saved))
    for name, gradient in parameter_gradients(layer).items():
        expect_same_bits(f"gradient of {name}, after a second backward pass was refused", gradient, first[name])
    del y, dx
    if alive := watch.alive():
        raise CheckError(f"after backward: expected what was saved to be freed, got {alive} arrays still held")


def nothing_kept(trial: Trial) -> None:
    """Check that neither forward nor inference leaves an array on the layer, or anywhere else."""
    layer = trial.build()
    layer.zero_grad()  # parameters make their views when first asked
    before = arrays_in(layer, layer.backend)  # held, so that no id is used again
    known = {id(array) for array in before}
    options = {} if trial.lengths is None else {"lengths": trial.lengths}

    def infer(*arrays: Any) -> Any:
        return layer(*arrays, **options)

    def train(*arrays: Any) -> Any:
        return layer.forward(*arrays, **options)

    for name, call in (("inference", infer), ("forward", train)):
        arrays = trial.arrays(layer)
        result = call(*arrays)
        watch = Watch(layer.backend, arrays_in([result, arrays], layer.backend, [layer]), before)
        new = [array for array in arrays_in(layer, layer.backend) if id(array) not in known]
        if new:
            shapes = ", ".join(str(tuple(array.shape)) for array in new)
            raise CheckError(f"{name}: expected nothing kept on the layer, got arrays of shape {shapes}")
        del result, arrays
        if alive := watch.alive():
            raise CheckError(f"{name}: expected its arrays to be freed with its result, got {alive} still held")


def threads(trial: Trial) -> None:
    """Check that calls from several threads at once give what they give one after another."""
    layer = trial.build()
    batches = [np.random.default_rng(seed).permutation(trial.batch) for seed in range(8)]

    def call(rows: HostArray) -> list[HostArray]:
        y, _ = trial.forward(layer, [value[rows] for value in trial.values])
        return hosts(layer, y)

    expected = [call(rows) for rows in batches]
    with ThreadPoolExecutor(4) as pool:
        for got, wanted in zip(pool.map(call, batches), expected, strict=True):
            for index, (array, other) in enumerate(zip(got, wanted, strict=True)):
                expect_close(f"output {index}, called from several threads", array, other, _ROUNDING)


def inference(trial: Trial) -> None:
    """Check that calling the layer gives what forward gives."""
    layer = trial.build()
    for lengths in (None, trial.lengths) if trial.lengths is not None else (None,):
        options = {} if lengths is None else {"lengths": lengths}
        expected = trial.expected(lengths).outputs
        y = layer(*trial.values, **options)
        for index, (array, other) in enumerate(zip(hosts(layer, y), expected, strict=True)):
            expect_same_bits(f"output {index} of the call, against forward's", array, other)


def determinism(trial: Trial) -> None:
    """Check that built twice from one seed, and run twice, everything has the same bits."""
    first, second = trial.build(), trial.build()
    for name, array in first.state_dict().items():
        expect_same_bits(f"{name}, built twice from one seed", second.state_dict()[name], array)
    expected = trial.run(first, lengths=trial.lengths)
    for layer in (second, first):
        got = trial.run(layer, lengths=trial.lengths)
        for (name, array), other in zip(got.named().items(), expected.named().values(), strict=True):
            expect_same_bits(f"{name}, run twice", array, other)


def errors(trial: Trial) -> None:
    """Check that wrong ranks, last axes and dtypes are refused with typed errors, and so is use before build."""
    values = [trial.backend.asarray(value) for value in trial.values]
    _expect_raises(NotBuiltError, "forward before build", partial(trial.new().forward, *values))
    layer = trial.build()
    _expect_raises(ShapeError, "no inputs", layer.forward)
    built = layer.input_shapes
    for index, value in enumerate(trial.values):
        wrong: dict[str, tuple[type[Exception], HostArray]] = {
            "one axis more": (ShapeError, value[..., None]),
            "one axis less": (ShapeError, value[0]),
        }
        if value.ndim > 1 and built[index][-1] is not None and value.dtype.kind == "f":
            wrong["a last axis larger by one"] = (ShapeError, np.concatenate([value, value[..., :1]], axis=-1))
        if value.dtype.kind == "f":
            wrong["float32 for float64"] = (DTypeError, value.astype(np.float32))
            if not layer.reads_integers():
                wrong["int64"] = (DTypeError, np.ones(value.shape, np.int64))
            wrong["bool"] = (DTypeError, np.ones(value.shape, bool))
        for name, (kind, array) in wrong.items():
            given = trial.arrays(layer)
            given[index] = trial.backend.asarray(array)
            _expect_raises(kind, f"input {index} with {name}", partial(layer.forward, *given))
    y, saved = trial.forward(layer)
    shapes = [tuple(output.shape) for output in as_list(y)]
    dy = [np.ones((*shape, 1)) for shape in shapes]
    _expect_raises(ShapeError, "dy with one axis more", partial(trial.backward, layer, y, saved, dy))


def _expect_raises(kind: type[Exception], what: str, call: Any) -> None:
    try:
        call()
    except kind:
        return
    except Exception as error:
        raise CheckError(f"{what}: expected {kind.__name__}, got {type(error).__name__}: {error}") from error
    raise CheckError(f"{what}: expected {kind.__name__}, got no error")
