"""Contestants give the same losses and gradients, on small work: those that are installed, in this process."""

import importlib.util
from importlib import import_module

import numpy as np
import pytest

import lamina
from benchmarks.cpu.contestants import CONTESTANTS, find
from benchmarks.cpu.model_work import Attending, Language
from benchmarks.cpu.processes import Process
from benchmarks.cpu.turns import largest_difference
from benchmarks.cpu.work import KINDS, Inference, Loop, Ragged, Training
from lamina.errors import BackendError

WORKS = [
    *(Training(kind, 4, 6, 3, 5) for kind in KINDS),
    *(Ragged(kind, 6, 9, 3, 5) for kind in KINDS),
    Language(3, 4, 8),
    Attending(3, 5, 8),
    *(Loop(kind, 2, 3, 2, 4, steps=5) for kind in KINDS),
    *(Inference(kind, time, 8) for kind in KINDS for time in (1, 7)),
]
# Keras has a test of its own, as it needs variables set before it is imported.
NAMES = ("lamina engine", "lamina numba", "trainer", "by hand", "pytorch", "jax", "onnx runtime")
PAIRS = [(work, name) for work in WORKS for name in NAMES if work.section in find(name).sections]


@pytest.fixture(autouse=True)
def _backend_as_it_was():
    with lamina.use_backend("numpy"):
        yield


def results(name, work):
    contestant = find(name)
    try:
        module = import_module(f"benchmarks.cpu.contestants.{contestant.module}")
        if not contestant.rival:  # theirs set threads, which can be done once in a process
            module.start(1, **contestant.options)
        prepared = getattr(module, work.section)(work)
        found = {key: np.array(value) for key, value in prepared.results().items()}
    except (ImportError, BackendError) as error:
        pytest.skip(f"{name}: {error}")
    except NotImplementedError as refusal:
        pytest.skip(f"{name}: {refusal}")
    prepared.call()
    return found


@pytest.mark.parametrize(("work", "name"), PAIRS, ids=str)
def test_it_gives_what_lamina_does_on_numpy(work, name):
    found = results(name, work)
    expected = results("lamina", work)
    place, difference = largest_difference(expected, found)
    assert difference <= 1e-4, place


def test_keras_in_its_own_process_gives_it_too():
    if importlib.util.find_spec("keras") is None or importlib.util.find_spec("jax") is None:
        pytest.skip("Keras or JAX is not installed")
    process = Process(find("keras"), 1)
    process.start()
    try:
        for work in WORKS:
            if work.section in process.contestant.sections:
                found, _ = process.prepare(work, 0.001, limit=120)
                place, difference = largest_difference(results("lamina", work), found)
                assert difference <= 1e-4, (work, place)
    finally:
        process.stop()


@pytest.mark.parametrize("work", [Training("GRU", 4, 6, 3, 5), Ragged("LSTM", 6, 9, 3, 5)], ids=str)
def test_the_engine_takes_part_and_is_planned(work):
    pytest.importorskip("numba")
    assert set(results("lamina engine", work)) == {"loss", *work.weights()}


def test_every_contestant_has_a_function_for_each_of_its_sections():
    for contestant in CONTESTANTS:
        try:
            module = import_module(f"benchmarks.cpu.contestants.{contestant.module}")
        except ImportError:
            continue
        assert all(callable(getattr(module, section)) for section in contestant.sections)
