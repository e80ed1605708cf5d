"""Recurrent kernels as compiled passes: beside the generic ones, over memory that goes from pass to pass."""

import copy
import threading
import weakref

import numpy as np
import pytest

pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")

import lamina
from lamina.backends.numba.recurrence import Pass, PassMemory
from tests.backends.numba.against import DTYPES, ends_of, reference, require_close
from tests.backends.numba.engine.recurrent_programs import GATES, SCANS, STATES, TAKEN

BACKEND = lamina.get_backend("numba")
KERNELS = {**GATES, **SCANS, "extended_lstm": 4, "extended_simple_rnn": 1, "extended_gru": 3}
GRUS = "gru", "extended_gru"


class Case:
    """A random call of a kernel."""

    def __init__(self, kind, dtype, seed, batch=None, time=None):
        rng = np.random.default_rng(seed)
        batch, time = batch or rng.integers(1, 9), time or rng.integers(1, 9)
        features, units = rng.integers(1, 7), rng.integers(1, 20)
        self.kind, self.rng, self.states = kind, rng, STATES.get(kind.removeprefix("extended_"), 1)

        def draw(*shape):
            return (rng.standard_normal(shape) / 2).astype(dtype)

        def perhaps(*shape):
            return draw(*shape) if rng.random() < 0.6 else None

        wide, size = KERNELS[kind] * units, units
        self.options = {"reverse": bool(rng.integers(2))}
        if kind == "extended_lstm" and rng.random() < 0.7:
            size = int(rng.integers(1, 20))
            self.options["w_p"] = draw(units, size)
        if kind.startswith("extended_"):
            self.options["state_mask"] = perhaps(batch, size)
        sizes = [size, *[2 * units if kind == "lru" else units] * (self.states - 1)]
        if kind == "lru":
            self.weights = [draw(3 * units), draw(features, 2 * units), draw(2 * units, units), draw(features, units)]
        elif kind in SCANS:
            self.weights = [draw(features, wide), *([draw(units)] if kind == "ind_rnn" else []), perhaps(wide)]
        else:
            self.weights = [draw(features, wide), draw(size, wide), perhaps(wide)]
        if kind in GRUS:
            self.weights.append(perhaps(units))
        self.first = [perhaps(batch, one) for one in sizes]
        x, dy = draw(batch, time, features), draw(batch, time, size)
        self.lengths, (self.x, dy) = ends_of(rng, batch, time, x, dy)
        self.upstream = [dy if rng.random() < 0.7 else None, *[perhaps(batch, one) for one in sizes]]
        if kind.endswith("simple_rnn") or kind == "ind_rnn":
            self.options["activation"] = str(rng.choice(["tanh", "relu"]))
        if kind == "slstm":
            self.options["forget"] = str(rng.choice(["sigmoid", "exp"]))
            if rng.random() < 0.6:  # no n is negative, and where it is 0 so is c
                h, c, n, m = (draw(batch, units) for _ in range(4))
                n = np.abs(n) * (rng.random(n.shape) < 0.8).astype(dtype)
                self.first = [h, c * (n > 0), n, 4 * m]
            else:
                self.first = [None] * 4
        if kind in GRUS:
            self.options["reset_after"] = reset_after = bool(rng.integers(2))
            self.weights[3] = self.weights[3] if reset_after else None
        self.input_gradient = bool(rng.integers(2))

    def forward(self, backend):
        found = getattr(backend, f"{self.kind}_forward")
        y, last, saved = found(self.x, *self.weights, *self.first, self.lengths, **self.options)
        return [y, *(last if isinstance(last, tuple) else [last])], saved

    def backward(self, backend, saved, **options):
        found = getattr(backend, f"{self.kind}_backward")
        own = self.weights[: TAKEN.get(self.kind, 2)]
        options["input_gradient"] = self.input_gradient
        *gradients, first = found(*self.upstream, saved, *own, **options)
        return [*gradients, *(first if isinstance(first, tuple) else [first])]

    def cut(self, batch, time):
        """Return the case of the first rows and steps."""
        other = copy.copy(self)
        other.x = self.x[:batch, :time]
        other.lengths = None if self.lengths is None else np.minimum(self.lengths[:batch], time)
        other.first = [None if one is None else one[:batch] for one in self.first]
        if self.options.get("state_mask") is not None:
            other.options = self.options | {"state_mask": self.options["state_mask"][:batch]}
        dy, *last = self.upstream
        other.upstream = [
            None if dy is None else dy[:batch, :time],
            *(None if one is None else one[:batch] for one in last),
        ]
        return other

    def expected(self):
        made, saved = self.forward(reference())
        return made, self.backward(reference(), saved)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", KERNELS)
@pytest.mark.parametrize("seed", range(30))
def test_passes_are_the_generic_kernels(kind, seed, dtype):
    case = Case(kind, dtype, seed)
    made, saved = case.forward(BACKEND)
    assert isinstance(saved, Pass)
    expected, gradients = case.expected()
    require_close(made, expected, dtype)
    for _ in range(2):  # a second way back is that of the same pass
        require_close(case.backward(BACKEND, saved), gradients, dtype)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("kind", KERNELS)
@pytest.mark.parametrize("seed", range(4))
def test_gradients_are_added_to_what_is_there(kind, seed, order):
    """Also where it does not lie as a pass writes: nothing beside it is touched; and None is left out."""
    case = Case(kind, "float64", seed)
    _, saved = case.forward(BACKEND)
    fresh = case.backward(BACKEND, saved)
    weights = [one for one in fresh[1 : len(fresh) - case.states] if one is not None]
    there = [np.asarray(case.rng.standard_normal(one.shape), order=order) for one in weights]
    for left_out in (None, *range(len(weights))):
        targets = [None if place == left_out else one.copy(order="K") for place, one in enumerate(there)]
        given = case.backward(BACKEND, saved, gradients=lambda targets=targets: targets)
        assert all(own is one for own, one in zip(given[1:], targets, strict=False))
        kept = [place for place in range(len(weights)) if place != left_out]
        require_close([targets[n] for n in kept], [there[n] + weights[n] for n in kept], "float64")
        require_close(given[-case.states :], fresh[-case.states :], "float64")


@pytest.mark.parametrize("kind", KERNELS)
def test_passes_that_are_open_at_once_do_not_meet(kind):
    cases = [Case(kind, "float64", seed=4, batch=batch, time=time) for batch, time in ((3, 5), (7, 2), (1, 9), (5, 5))]
    passes = [case.forward(BACKEND) for case in cases]
    for case, (made, saved) in reversed(list(zip(cases, passes, strict=True))):
        expected, gradients = case.expected()
        require_close(case.backward(BACKEND, saved), gradients, "float64")
        require_close(made, expected, "float64")  # what was given back is nobody's memory


@pytest.mark.parametrize("kind", KERNELS)
def test_memory_goes_from_pass_to_pass_and_leaves_nothing_in_it(kind, monkeypatch):
    kept = []  # so that none gets the place of another
    monkeypatch.setattr(BACKEND, "passes", PassMemory())
    largest = Case(kind, "float64", seed=5, batch=7, time=8)
    found = []
    for batch, time in ((6, 7), (3, 4), (6, 2), (1, 7), (2, 2), (6, 7), (6, 8), (7, 3), (6, 8)):
        case = largest.cut(batch, time)
        made, saved = case.forward(BACKEND)
        expected, gradients = case.expected()
        require_close(made, expected, "float64")
        require_close(case.backward(BACKEND, saved), gradients, "float64")
        kept.append(BACKEND.passes[saved.number])
        found.append(id(kept[-1]))
        del saved
    # (6, 8) is larger, and (7, 3) makes one of 7 rows and 8 steps.
    assert [found.index(one) for one in found] == [0] * 6 + [6, 7, 7]


class Room:
    """Stands for the memory of a pass."""

    def __init__(self, rows, steps):
        self.rows, self.steps, self.nbytes = rows, steps, 8 * rows * steps


def taken(memory, key, rows, steps):
    """Return for how many rows and steps the memory of a new pass is, and the pass's number."""
    number = memory.take(key, rows, steps, Room)
    return (memory[number].rows, memory[number].steps), number


def test_memory_for_long_rows_and_for_many_is_not_made_one():
    memory = PassMemory()
    numbers = [taken(memory, "key", *size)[1] for size in ((1, 1000), (500, 4), (8, 3))]
    for number in numbers:
        memory.give_back(number)
    for asked, got in (((400, 4), (500, 4)), ((6, 5), (8, 5)), ((1, 900), (1, 1000)), ((2, 2), (2, 2))):
        assert taken(memory, "key", *asked)[0] == got
    assert taken(memory, "another", 6, 5)[0] == (6, 5)


def test_only_so_much_memory_is_kept_and_the_latest():
    memory = PassMemory(most=8 * 50, many=4)
    numbers = [taken(memory, key, 2, 5)[1] for key in "abcdefg"]
    for number in numbers:
        memory.give_back(number)
    assert [key for key, _ in memory._free] == list("defg")
    memory.give_back(taken(memory, "long", 1, 40)[1])
    assert [key for key, _ in memory._free] == ["g", "long"]
    memory.give_back(taken(memory, "longer", 1, 60)[1])
    assert not memory._free and not memory._open


def test_memory_of_the_way_back_counts():
    BACKEND.passes._free.clear()
    case = Case("lstm", "float64", seed=9, batch=50, time=60)
    saved = case.forward(BACKEND)[1]
    alone = BACKEND.passes[saved.number]
    before = alone.nbytes
    case.backward(BACKEND, saved)
    assert alone.nbytes > before > case.x.nbytes
    del saved


def test_a_pass_that_nobody_holds_gives_its_memory_back_and_holds_no_weights():
    case = Case("gru", "float64", seed=6, batch=3, time=4)
    saved = case.forward(BACKEND)[1]
    number, before = saved.number, len(BACKEND.passes._open)
    with pytest.raises(TypeError, match="a pass cannot be copied"):
        copy.deepcopy(saved)
    gone = weakref.ref(case.weights[0])
    del saved, case
    assert number not in BACKEND.passes._open and len(BACKEND.passes._open) == before - 1
    assert gone() is None


@pytest.mark.parametrize("kind", KERNELS)
def test_threads_have_passes_of_their_own(kind):
    cases = [Case(kind, "float64", seed=7, batch=3 + number % 3, time=6) for number in range(8)]
    wrong = []

    def work(case):
        for _ in range(20):
            made, saved = case.forward(BACKEND)
            gradients = case.backward(BACKEND, saved)
            try:
                require_close(made, expected[id(case)][0], "float64")
                require_close(gradients, expected[id(case)][1], "float64")
            except AssertionError as error:
                wrong.append(error)

    expected = {id(case): case.expected() for case in cases}
    threads = [threading.Thread(target=work, args=(case,)) for case in cases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize("kind", ["SimpleRNN", "LSTM", "GRU", "projected LSTM", "MinGRU", "MinLSTM", "IndRNN", "LRU"])
@pytest.mark.parametrize("rows", [1, 2, 3, 5, 6, 7, 24])
@pytest.mark.parametrize("threads", [2, 3])
def test_outputs_on_several_threads_are_those_on_one_to_the_last_bit(kind, rows, threads, monkeypatch):
    options = {"projection": 190} if kind.startswith("projected") else {}
    layer = getattr(lamina.layers, kind.split()[-1])(200, return_sequences=True, **options)
    layer.build((None, None, 50), backend="numba", seed=0)
    x = np.random.default_rng(rows).standard_normal((rows, 40, 50)).astype("float32")
    monkeypatch.setattr("lamina.backends.numpy.threads.threads_of_products", lambda: 1)
    expected = layer(x)
    monkeypatch.setattr("lamina.backends.numpy.threads.threads_of_products", lambda: threads)
    given = {"w_p": layer.w_p.data} if options else {}
    y, _, (slices, _) = layer.kernel.forward(x, *layer.weights, *[None] * len(layer.state_sizes), None, **given)
    np.testing.assert_array_equal(y, expected)
    fewest = BACKEND.in_blocks[layer.kernel_name].fewest
    assert len(slices) == min(threads, max(rows // fewest, 1))


def test_what_has_no_pass_runs_as_numpys():
    rng = np.random.default_rng(0)
    x, w_x, w_h, b = (rng.standard_normal(shape) for shape in ((3, 4, 2), (2, 16), (4, 16), (16,)))
    none = BACKEND.lstm_forward(x[:0], w_x, w_h, b, None, None, None)
    assert none[0].shape == (0, 4, 4) and not isinstance(none[2], Pass)
    mixed = BACKEND.lstm_forward(x, w_x.astype("float32"), w_h, b, None, None, None)
    assert not isinstance(mixed[2], Pass)


@pytest.mark.parametrize("kind", KERNELS)
def test_weights_that_change_in_place_or_are_others_are_seen(kind):
    case = Case(kind, "float64", seed=8, batch=4, time=3)
    for change in ("none", "in place", "another"):
        if change == "in place":
            case.weights[0 if kind.startswith("min") else 1] *= 1.5
        elif change == "another":
            case.weights[0] = case.weights[0] * 0.5
        made, saved = case.forward(BACKEND)
        expected, gradients = case.expected()
        require_close(made, expected, "float64")
        require_close(case.backward(BACKEND, saved), gradients, "float64")
        del saved
