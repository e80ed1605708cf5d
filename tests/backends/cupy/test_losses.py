"""Softmax cross-entropy's own kernels: right in every option and corner, and in few launches."""

from itertools import product

import numpy as np
import pytest

from tests.backends.cupy.against_generic import differences, faulty_source, host, pairs

SIZES = [(1, 1), (5, 3), (70, 33), (9000, 2), (3, 1500)]
TARGETS = ["int64", "int8", "uint16", "uint64", "probabilities"]


def drawn(rows, classes, target, weighted, dtype, seed=0):
    rng = np.random.default_rng(seed)
    logits = (3 * rng.normal(size=(rows, classes))).astype(dtype)
    if target == "probabilities":
        labels = rng.dirichlet(np.ones(classes), rows).astype(dtype)
        labels[rng.random(labels.shape) < 0.2] = 0
    else:
        labels = rng.integers(0, min(classes, 100), rows).astype(target)
    share = (rng.random(rows) * (rng.random(rows) > 0.3) / rows).astype(dtype)
    return logits, labels, share, rng.random(classes).astype(dtype) if weighted else None


def results(device, arguments, smoothing=0.0):
    found = []
    for asarray, forward, backward in pairs(device, "softmax_cross_entropy"):
        with np.errstate(all="ignore"):
            loss, saved = forward(*(None if one is None else asarray(one) for one in arguments), smoothing)
            found.append(host(device, [loss, backward(saved)]))
    return found


@pytest.mark.parametrize(("size", "target"), [*product(SIZES, TARGETS)], ids=str)
def test_as_the_generic_kernel(device, size, target):
    for weighted, smoothing in product((False, True), (0.0, 0.1)):
        arguments = drawn(*size, target, weighted, "float64")
        assert max(differences(*results(device, arguments, smoothing))) < 1e-12


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_float32_is_about_as_near_as_the_generic_kernel(device, size):
    arguments = drawn(*size, "probabilities", True, "float32")
    own, generic = results(device, arguments, 0.1)
    exact = results(device, [one.astype("float64") for one in arguments], 0.1)[1]
    for mine, other, true in zip(own, generic, exact, strict=True):
        assert abs(mine - true).max() < 2 * abs(other - true).max() + 1e-7


INFINITE = np.array(
    [
        [1, -np.inf, 2], [-np.inf, -np.inf, -np.inf], [np.inf, 0, -np.inf], [np.inf, np.inf, 0], [-np.inf, np.inf, 1],
        [1e308, -1e308, 0], [np.nan, 1, 2], [np.nan, np.inf, -np.inf],
    ]
)  # fmt: skip


@pytest.mark.parametrize("target", ["int64", "probabilities"])
@pytest.mark.parametrize("label", [0, 1, 2])
def test_logits_that_are_not_finite(device, target, label):
    for row in INFINITE:
        labels = np.array([label]) if target == "int64" else np.eye(3)[[label]]
        for smoothing, weight in product((0.0, 0.1), (None, np.array([1.0, 0.0, 2.0]))):
            arguments = row[None], labels, np.ones(1), weight
            assert max(differences(*results(device, arguments, smoothing))) < 1e-12


@pytest.mark.parametrize("target", ["int64", "probabilities"])
def test_rows_that_do_not_count(device, target):
    logits, labels, share, _ = drawn(len(INFINITE) + 5, 3, target, False, "float64")
    share[: len(INFINITE)], share[len(INFINITE) :] = 0, 0.2
    sound = results(device, (logits, labels, share, None))[1]
    logits[: len(INFINITE)] = INFINITE
    labels[: len(INFINITE)] = 77 if target == "int64" else np.nan
    loss, gradient = results(device, (logits, labels, share, None))[0]
    assert abs(loss - sound[0]) < 1e-12
    assert not gradient[: len(INFINITE)].any()
    assert np.allclose(gradient, sound[1], atol=1e-12)


def test_labels_that_are_no_class_are_no_target(device):
    arguments = np.zeros((3, 4)), np.array([-1, 4, 2]), np.ones(3), None
    assert max(differences(*results(device, arguments))) < 1e-12


def test_no_rows(device):
    assert results(device, (np.zeros((0, 4)), np.zeros(0, int), np.zeros(0), None))[0][1].shape == (0, 4)
    assert max(differences(*results(device, (np.zeros((0, 4)), np.zeros(0, int), np.zeros(0), None)))) == 0


@pytest.mark.parametrize("part", [slice(None, None, 3), slice(1, 3)], ids=["spread", "cut out"])
def test_arrays_that_are_not_contiguous(device, part):
    arguments = drawn(40, 6, "probabilities", True, "float64")
    places = (slice(None, None, 2), part), (slice(None, None, 2), part), (slice(None, None, 2),), (part,)
    _, forward, backward = pairs(device, "softmax_cross_entropy")[0]
    cut = [device.asarray(one)[place] for one, place in zip(arguments, places, strict=True)]
    loss, saved = forward(*cut)
    wanted = results(device, [one[place] for one, place in zip(arguments, places, strict=True)])[1]
    assert max(differences(host(device, [loss, backward(saved)]), wanted)) < 1e-12


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_the_same_bits_every_time(device, size):
    arguments = drawn(*size, "int64", True, "float32")
    first, second = (results(device, arguments, 0.1)[0] for _ in range(2))
    assert all(one.tobytes() == other.tobytes() for one, other in zip(first, second, strict=True))


@pytest.mark.parametrize(("rows", "launches"), [(1, 1), (64, 1), (65, 2), (20000, 2)])
def test_launches(counted, rows, launches):
    device, ledger = counted
    arguments = [None if one is None else device.asarray(one) for one in drawn(rows, 3, "int64", True, "float32")]
    forward, backward = device.pair("softmax_cross_entropy")
    ledger.clear()
    _, saved = forward(*arguments, 0.1)
    assert ledger.totals() == {"launch": launches, "set": 0, "copy": 0, "upload": 0, "download": 0, "wait": 0}
    ledger.clear()
    backward(saved)
    assert ledger.totals() == {"launch": 1, "set": 0, "copy": 0, "upload": 0, "download": 0, "wait": 0}


FAULTS = {
    "the largest logit": ("largest = largest_over<WARPS>(largest);", "largest = own[0];"),
    "a block's other rows": ("for (int other = 1; other < groups", "for (int other = groups; other < groups"),
    "the blocks' sums": ("row += place.lines) sum += matrix", "row += 999999) sum += matrix"),
    "smoothing": ("q = q * (1 - smoothing) + spread", "q = q * (1 - smoothing)"),
    "class weights": ("class_weight ? q * class_weight[c]", "false ? q"),
    "a target's mass": ("/ own[1] * own[2] - q", "/ own[1] - q"),
    "rows that do not count": ("if (weight == 0) {", "if (false) {"),
    "the row's weight": ("- q) * weight", "- q)"),
    "lanes left out": ("lanes = WARP / 2; lanes > 0", "lanes = WARP / 4; lanes > 0"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_seen(monkeypatch, counted, fault):
    device, _ = counted
    faulty_source(monkeypatch, "losses.cu", *FAULTS[fault])
    worst = 0
    for size in ((5, 3), (70, 33), (9000, 2)):
        logits, *others = drawn(*size, "probabilities", True, "float64")
        logits *= 300  # beyond what exp takes
        wanted = results(device, (logits, *others), 0.1)[1]
        logits[others[1] == 0] = np.nan
        worst = max(worst, *differences(results(device, (logits, *others), 0.1)[0], wanted))
    assert worst > 1e-6
