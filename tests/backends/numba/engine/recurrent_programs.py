"""Programs of one recurrent kernel, Dense and softmax cross-entropy, and what NumPy's kernels make of the same."""

from dataclasses import dataclass

import numpy as np

import lamina
from lamina.backends.program import Call, Frame, Given, Program, Weights

GATES = {"simple_rnn": 1, "lstm": 4, "gru": 3, "slstm": 4}
#: What has no weights between a step and the next; LRU's gates are no multiple of anything.
SCANS = {"min_gru": 2, "min_lstm": 3, "ind_rnn": 1, "lru": 0}
STATES = {"lstm": 2, "slstm": 4, "lru": 2}
#: How many of the weights a backward kernel takes: those that are not said here, two.
TAKEN = {"min_gru": 1, "min_lstm": 1, "lru": 4}
CLASSES = 5


@dataclass
class Case:
    kernel: str
    dtype: str = "float64"
    rows: int = 7
    steps: int = 9
    features: int = 5
    units: int = 13
    ragged: bool = False
    reverse: bool = False
    sequences: bool = False
    states: bool = False
    activation: str = "tanh"
    reset_after: bool = True
    forget: str = "sigmoid"
    projection: float = 0
    frozen: tuple = ()

    @property
    def size(self):
        """The size of h: of a projection, that share of the units."""
        return max(round(self.projection * self.units), 1) if self.projection else self.units

    @property
    def sizes(self):
        """The sizes of the states."""
        if self.kernel == "lru":
            return [self.units, 2 * self.units]
        return [self.size, *[self.units] * (STATES.get(self.kernel, 1) - 1)]

    @property
    def options(self):
        if self.kernel in ("simple_rnn", "ind_rnn"):
            return {"activation": self.activation}
        if self.kernel == "slstm":
            return {"forget": self.forget}
        return {"reset_after": self.reset_after} if self.kernel == "gru" else {}

    def shapes(self):
        head, units = {"w": (self.size, CLASSES), "head": (CLASSES,)}, self.units
        if self.kernel == "lru":
            wide = {"w_b": (self.features, 2 * units), "w_c": (2 * units, units), "w_d": (self.features, units)}
            return {"eigenvalues": (3 * units,), **wide} | head
        if self.kernel in SCANS:
            columns = SCANS[self.kernel] * units
            own = {"w_h": (units,)} if self.kernel == "ind_rnn" else {}
            return {"w_x": (self.features, columns), **own, "b": (columns,)} | head
        columns = GATES[self.kernel] * self.units
        shapes = {"w_x": (self.features, columns), "w_h": (self.size, columns), "b": (columns,)}
        if self.kernel == "gru" and self.reset_after:
            shapes["b_h"] = (self.units,)
        if self.projection:
            shapes["w_p"] = (self.units, self.size)
        return shapes | head

    @property
    def names(self):
        """The names of the weights that the kernel takes, in their order."""
        names = [name for name in self.shapes() if name not in ("w", "head", "w_p", "b_h")]
        return [*names, "b_h"] if self.kernel == "gru" else names


class Trial:
    """A program of a case, its arrays, and the expected results."""

    def __init__(self, case, seed=0):
        self.case = case
        rng = np.random.default_rng(seed)
        shapes, dtype = case.shapes(), case.dtype
        size = sum(int(np.prod(shape)) for shape in shapes.values())
        self.flat = (0.3 * rng.normal(size=size)).astype(dtype)
        self.gradients = np.zeros_like(self.flat)
        self.weights, first = {}, 0
        for name, shape in shapes.items():
            span = slice(first, first := first + int(np.prod(shape)))
            grad = None if name in case.frozen else self.gradients[span].reshape(shape)
            self.weights[name] = Weights(self.flat[span].reshape(shape), grad)
        given = case.rows + 3
        self.x = rng.normal(size=(given, case.steps, case.features)).astype(dtype)
        self.lengths = rng.integers(0, case.steps + 1, given) if case.ragged else None
        self.y = rng.integers(0, CLASSES, (given, case.steps) if case.sequences else given)
        sizes = case.sizes if case.states else []
        self.states = [rng.normal(size=(given, size)).astype(dtype) for size in sizes]
        if len(sizes) == 4:  # n is not negative
            self.states[2] = np.abs(self.states[2])
        self.ids = rng.permutation(given)[: case.rows]

    def program(self):
        case = self.case
        program = Program(case.dtype, case.rows, case.steps)
        program.frames.append(Frame(case.steps, None, {}))
        frame = 0 if case.sequences else None
        x = program.value(case.features, 0)
        states = [program.value(state.shape[1]) for state in self.states]
        last = [program.value(size) for size in case.sizes]
        outputs = [program.value(case.size, 0), *last] if case.sequences else last
        logits, target = program.value(CLASSES, frame), program.value(1, frame, integers=True)
        own = {name: one for name, one in self.weights.items() if name not in ("w", "head")}
        program.inputs, program.targets, program.outputs = [x, *states], [target], [logits]
        program.call(case.kernel, [x, *states], outputs, own, reverse=case.reverse, **case.options)
        program.call("dense", [outputs[0]], [logits], {"w": self.weights["w"], "b": self.weights["head"]})
        program.loss = Call("softmax_cross_entropy", (logits, target), (), {}, {})
        program.gradients = [self.gradients]
        return program

    def given(self):
        return Given((self.x, *self.states), (self.y,), self.lengths)

    def expected(self, ids):
        """Return the loss, the logits and the gradients by name, of NumPy's kernels."""
        case = self.case
        backend = lamina.get_backend("numpy")
        kernel = backend.select("extended_lstm" if case.projection else case.kernel, **case.options)
        lengths = None if self.lengths is None else self.lengths[ids]
        count = STATES.get(case.kernel, 1)
        states = [state[ids] for state in self.states] or [None] * count
        names = case.names
        own = [self.weights[name].data if name in self.weights else None for name in names]
        options = {"reverse": case.reverse, **case.options}
        if case.projection:
            options["w_p"] = self.weights["w_p"].data
            names = [*names, "w_p"]  # its gradient comes after those
        y, last, saved = kernel.forward(self.x[ids], *own, *states, lengths, **options)
        last = last if isinstance(last, tuple) else (last,)
        h = y if case.sequences else last[0]
        logits = h @ self.weights["w"].data + self.weights["head"].data
        counted = np.ones(logits.shape[:-1], bool)
        if lengths is not None and case.sequences:
            counted = np.arange(case.steps) < lengths[:, None]
        probability = np.exp(logits - logits.max(-1, keepdims=True))
        probability /= probability.sum(-1, keepdims=True)
        hits = np.eye(CLASSES)[self.y[ids]]
        share = counted / max(counted.sum(), 1)
        loss = -(np.log((probability * hits).sum(-1)) * share).sum()
        dlogits = ((probability - hits) * share[..., None]).astype(case.dtype)
        flat = dlogits.reshape(-1, CLASSES)
        gradients = {"w": h.reshape(-1, case.size).T @ flat, "head": flat.sum(0)}
        dh, nothing = dlogits @ self.weights["w"].data.T, [None] * (count - 1)
        outputs = (dh, None, *nothing) if case.sequences else (None, dh, *nothing)
        _, *found, _ = kernel.backward(*outputs, saved, *own[: TAKEN.get(case.kernel, 2)], input_gradient=True)
        gradients |= {name: one for name, one in zip(names, found, strict=False) if name in self.weights}
        return loss, logits * counted[..., None], gradients
