"""The optimizers' own kernels: right in every option, one launch for all parameters, and faults are seen."""

import numpy as np
import pytest

import lamina
from lamina import Sequential
from lamina.backends.cupy import updates
from lamina.layers import LSTM, BatchNorm, Dense, Embedding, LayerNorm
from lamina.optimizers import SGD, AdaDelta, AdaGrad, Adam, AdamW, AMSGrad, RMSprop
from tests.backends.cupy.against_generic import faulty_source
from tests.backends.cupy.updates import CASES, calls, difference, generic

TOLERANCES = {"float64": 1e-14, "float32": 4e-6}


def both(device, cases, dtype, rows):
    host = lamina.get_backend("numpy")
    own, expected = ([calls(one, case, dtype, rows, seed) for seed, case in enumerate(cases)] for one in (device, host))
    return own, expected, host


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("rows", [False, True], ids=["all", "rows"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_as_the_generic_kernel(device, case, rows, dtype):
    own, expected, host = both(device, [case], dtype, rows)
    for _ in range(3):
        device.update_together(own)
        generic(expected, host)
    assert difference(device, own, expected) < TOLERANCES[dtype]


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("rows", [False, True], ids=["all", "rows"])
def test_all_together(counted, rows, dtype):
    """Also with settings of each one's own, and with more of them than go by value."""
    device, ledger = counted
    several = [*CASES, *[case for case in CASES if case[0] == "adam"]]
    own, expected, host = both(device, several, dtype, rows)
    ledger.clear()
    device.update_together(own)
    totals = ledger.totals()
    assert (totals["launch"], totals["upload"], totals["wait"]) == (5, 1, 0)  # Adam's are more
    generic(expected, host)
    assert difference(device, own, expected) < TOLERANCES[dtype]


@pytest.mark.parametrize("case", CASES[::3], ids=str)
def test_each_alone(counted, case):
    """What an optimizer of one's own calls."""
    device, ledger = counted
    own, expected, host = both(device, [case], "float64", False)
    ledger.clear()
    getattr(device, own[0].kernel)(*own[0].arrays, **own[0].settings)
    assert ledger.totals()["launch"] == 1
    generic(expected, host)
    assert difference(device, own, expected) < 1e-14


@pytest.mark.parametrize("square", [0.0, 2.0])
def test_a_variance_below_0_counts_as_0(device, square):
    """By hand: a = (square + 4) / 2, m = (2 + 2) / 2, and a - m^2 is -2, or -1."""
    data, squares, means = (device.asarray(np.array([value])) for value in (2.0, square, 2.0))
    gradient = device.asarray(np.array([2.0]))
    device.rmsprop_update(data, gradient, squares, means, None, lr=1.0, decay=0.5, epsilon=1.0)
    assert (float(data[0]), float(squares[0]), float(means[0])) == (0, (square + 4) / 2, 2)


def test_what_is_not_a_number_stays_so(device):
    """The largest mean of squares, and the decay of what is infinite, where there is none."""
    settings = {"lr": 0.5, "beta1": 0.5, "beta2": 0.5, "epsilon": 1.0, "step": 1}
    arrays = [device.asarray(np.array(values)) for values in ([1.0, np.inf], [np.nan, 1.0], [0.0, 0.0], [1.0, 1.0])]
    largest = device.asarray(np.array([4.0, np.nan]))
    device.adam_update(*arrays, largest, **settings)
    assert np.isnan(device.to_numpy(largest)).all()
    data = device.asarray(np.array([np.inf]))
    device.sgd_update(data, device.asarray(np.array([1.0])), None, lr=0.5, weight_decay=0.0)
    assert float(data[0]) == np.inf


def adam(array, *more):
    settings = {"lr": 0.1, "beta1": 0.9, "beta2": 0.99, "epsilon": 1e-8, "step": 1}
    return ("adam_update", (array(0), array(1), array(2), array(3), None), settings, *more)


@pytest.mark.parametrize("kind", ["turned", "float16", "another dtype", "one row for all"])
def test_what_the_kernels_do_not_take_runs_through_the_generic_ones(device, kind):
    host = lamina.get_backend("numpy")
    values = abs(np.random.default_rng(0).normal(size=(4, 6, 5)))

    def arrays(backend):
        def array(place):
            dtype = (
                "float16" if kind == "float16" else "float32" if kind == "another dtype" and place == 1 else "float64"
            )
            found = backend.asarray(values[place].astype(dtype))
            if kind == "one row for all" and place == 1:
                return found[:1]
            return found.T if kind == "turned" and place == 2 else found

        if kind == "turned":
            return lambda place: array(place) if place == 2 else backend.asarray(np.ascontiguousarray(values[place].T))
        return array

    own, expected = (updates.UpdateCall(*adam(arrays(backend))) for backend in (device, host))
    device.update_together([own])
    generic([expected], host)
    assert difference(device, [own], [expected]) < (2e-3 if kind == "float16" else 1e-14)


def test_two_views_of_one_parameter_are_updated_one_after_the_other(device):
    data, gradients = device.asarray(np.ones(3)), [device.asarray(np.full(3, value)) for value in (1.0, 2.0)]
    device.update_together(
        [updates.UpdateCall("sgd_update", (data, gradient, None), {"lr": 0.25}) for gradient in gradients]
    )
    assert device.to_numpy(data).tolist() == [0.25] * 3


def test_nothing_is_launched_for_no_elements(counted):
    device, ledger = counted
    empty = device.zeros((0, 4), "float64")
    ledger.clear()
    device.update_together([updates.UpdateCall("sgd_update", (empty, empty, None), {"lr": 0.25})])
    assert ledger.totals()["launch"] == 0


# A fault in a kernel: what stands in the source, and what takes its place.
FAULTS = {
    "a row of its neighbour": ("(index - row * piece.units)", "0 * index"),
    "the decay is left out": ("decay != 0 ? gradient + decay * parameter", "false ? gradient"),
    "the larger of two": ("a > b || a != a ? a : b", "b"),
    "momentum": ("velocity[place] * momentum + step", "velocity[place] + step"),
    "nesterov": ("step + momentum * moved", "moved"),
    "adagrad's sum": ("piece.states[0][place] = sum;", ""),
    "rmsprop's centre": ("square - centre * centre", "square"),
    "rmsprop's velocity": ("velocity[place] = step;", ""),
    "adadelta's change": ("change * decay + rest * (step * step)", "change * decay + step * step"),
    "adam's mean": ("settings[2] * gradient;", "gradient;"),
    "adam's decoupled decay": ("if (settings[8] != 0)", "if (false)"),
    "adam's largest": ("piece.states[2][place] = square;", ""),
    "adam's correction": ("sqrt(square) / root", "sqrt(square)"),
    "the arrays of the entry before": ("function(own, index", "function(entry(table, place & ~1), index"),
    "a part's last elements": ("if (after > total) after = total;", "if (after > total) after = total - 1;"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_a_kernel_is_seen(monkeypatch, counted, fault):
    device, _ = counted
    faulty_source(monkeypatch, "updates.cu", *FAULTS[fault])
    worst = 0.0
    for rows in (False, True):
        own, expected, host = both(device, CASES, "float64", rows)
        device.update_together(own)
        generic(expected, host)
        worst = max(worst, difference(device, own, expected))
    assert worst > 1e-6


OPTIMIZERS = {
    "sgd": lambda p, **options: SGD(p, lr=0.1, momentum=0.9, nesterov=True, **options),
    "adagrad": AdaGrad,
    "rmsprop": lambda p, **options: RMSprop(p, centered=True, momentum=0.5, **options),
    "adadelta": AdaDelta,
    "adam": Adam,
    "adamw": AdamW,
    "amsgrad": AMSGrad,
}
OPTIONS = {
    "plain": ({}, 1),
    "groups": ({"groups": {"*.b": {"weight_decay": 0.1}, "1.*": {"lr": 0.01}}}, 1),
    "clip norm": ({"clip_norm": 0.5}, 3),
    "clip value": ({"clip_value": 0.01, "groups": {"*.b": {"lr": 0.1}}}, 2),
}


def model_of(backend):
    model = Sequential(Embedding(9, 3), LSTM(4, return_sequences=True), BatchNorm(), LayerNorm(), Dense(5), Dense(2))
    model.build((None, None), seed=0, dtype="float64", backend=backend)
    return model


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizers_step(counted, name, options):
    """All parameters, a table by rows among them, and running means that no optimizer changes."""
    device, ledger = counted
    settings, limit = OPTIONS[options]
    ids = np.array([[1, 4, 1, 1, 7], [0, 4, 4, 1, 1]])
    weights = []
    for backend in (device, lamina.get_backend("numpy")):
        model = model_of(backend)
        optimizer = OPTIMIZERS[name](model.parameters(), **settings)
        for seed in range(2):
            optimizer.zero_grad()
            dy = np.random.default_rng(seed).normal(size=(2, 5, 2))
            model.backward(backend.asarray(dy), model.forward(backend.asarray(ids))[1], input_gradient=False)
            ledger.clear()
            optimizer.step()
            if backend is device:
                totals = ledger.totals()
                assert (totals["launch"], totals["upload"], totals["wait"], totals["copy"]) == (limit, 0, 0, 0)
        weights.append(model.state_dict())
    own, expected = weights
    for path, array in expected.items():
        np.testing.assert_allclose(own[path], array, rtol=1e-11, atol=1e-13, err_msg=path)


def test_gradients_of_a_whole_model_are_set_to_zero_at_once(counted):
    device, ledger = counted
    model = Sequential(LSTM(4, return_sequences=True), Dense(5), Dense(2))
    model.build((None, None, 3), seed=0, backend=device)
    optimizer = Adam(model.parameters(), groups={"*.b": {"lr": 0.1}})
    for parameter in model.parameters():
        parameter.grad[...] = 1
    ledger.clear()
    optimizer.scale_grad(2.0)
    assert ledger.totals()["launch"] == 1
    assert all((device.to_numpy(parameter.grad) == 2).all() for parameter in model.parameters())
    ledger.clear()
    optimizer.zero_grad()
    assert ledger.totals()["set"] == 1
    assert not any(device.to_numpy(parameter.grad).any() for parameter in model.parameters())


class Bounded(Adam):
    """Does more than one kernel's update, and so is run at once."""

    def update(self, backend, data, grad, state):
        super().update(backend, data, grad, state)
        backend.clip_value(data, 0.1)


@pytest.mark.parametrize("clip_norm", [None, 0.5])
def test_an_optimizer_of_ones_own_runs_its_update_at_once(device, clip_norm):
    ids, weights = np.array([[1, 4, 1, 1, 7], [0, 4, 4, 1, 1]]), []
    for backend in (device, lamina.get_backend("numpy")):
        model = model_of(backend)
        optimizer = Bounded(model.parameters(), lr=0.1, clip_norm=clip_norm)
        dy = backend.asarray(np.random.default_rng(0).normal(size=(2, 5, 2)))
        model.backward(dy, model.forward(backend.asarray(ids))[1], input_gradient=False)
        optimizer.step()
        weights.append(model.state_dict())
    for path, array in weights[1].items():
        np.testing.assert_allclose(weights[0][path], array, rtol=1e-11, atol=1e-13, err_msg=path)
    assert abs(weights[0]["5.w"]).max() <= 0.1


def test_parameters_whose_gradients_were_lent_are_updated_by_rows_too(counted):
    """Clipping then writes into copies of their rows, which are put back."""
    device, ledger = counted
    found = []
    for backend in (device, lamina.get_backend("numpy")):
        table = Embedding(9, 3)
        table.build((None, None), seed=0, dtype="float64", backend=backend)
        optimizer = AdaGrad(table.parameters(), lr=0.1, clip_norm=0.5)
        table.w.grad[2:5] = 1
        ledger.clear()
        optimizer.step()
        found.append((table.w.numpy(), backend.to_numpy(table.w.grad)))
    for own, expected in zip(*found, strict=True):
        np.testing.assert_allclose(own, expected, rtol=1e-14)
