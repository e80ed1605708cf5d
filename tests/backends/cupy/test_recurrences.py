"""The recurrences' own kernels: right in every option, in few launches, and seen to be wrong where they are."""

import numpy as np
import pytest

import lamina
from tests.backends.cupy.against_generic import faulty_source
from tests.backends.cupy.recurrences import CASES, KERNELS, Case, worst


@pytest.mark.parametrize("case", CASES, ids=str)
def test_as_the_generic_kernel(device, case):
    found = worst(case, device)
    assert max(found.values()) < 1e-12, found


@pytest.mark.parametrize("kernel", KERNELS)
def test_float32(device, kernel):
    found = worst(Case(kernel, "ragged", True), device, "float32")
    assert max(found.values()) < 2e-6, found


# A fault in a kernel: what stands in the source, what takes its place, and the recurrences that it is in.
FAULTS = {
    "the steps of a reversed row from its padding on": ("reverse && s < length", "false && s < length", KERNELS),
    "a row runs past its end": ("return s < length;", "return s < time;", KERNELS),
    "the outputs' padding is left": ("*output = 0;", "", KERNELS),
    "padding in what weights are multiplied with": (": inside ? x[", ": true ? x[", KERNELS),
    "the bias is left out": ("if (bias)", "if (false)", KERNELS),
    "the outputs' gradient is left out": ("if (doutputs)", "if (false)", KERNELS),
    "the outputs' gradient of another step": ("dout_step + unit]", "0 + unit]", KERNELS),
    "the state before of another step": ("put(left + index, ", "put(left + index * 0, ", KERNELS),
    "the forget gate's gradient": ("dcell * cell * f * (1 - f)", "dcell * cell * f", ["lstm"]),
    "the cell's gradient ends": ("dc[index] = dcell * f;", "dc[index] = dcell;", ["lstm"]),
    "the cell before": ("cells[place * units + unit] = cell;", "cells[place * units + unit] = after;", ["lstm"]),
    "a gradient carried twice": ("dh[index] = 0;", "", ["lstm", "tanh"]),
    "the reset gate's gradient": ("* r * (1 - r)", "* r", ["gru, reset after", "gru, reset before"]),
    "the state's own path": ("dh[index] = dnew * z;", "dh[index] = dnew;", ["gru, reset after", "gru, reset before"]),
    "the reset state's gradient": ("dh[index] += upstream * r;", "", ["gru, reset before"]),
    "the candidate's bias": ("if (bias_h)", "if (false)", ["gru, reset after"]),
    "relu's slope": ("y > 0 ? dnew", "y >= 0 ? dnew", ["relu"]),
}


@pytest.mark.parametrize(("fault", "kernel"), [(fault, one) for fault, entry in FAULTS.items() for one in entry[2]])
def test_a_fault_in_a_kernel_is_seen(monkeypatch, counted, fault, kernel):
    device, _ = counted
    before, after, _ = FAULTS[fault]
    faulty_source(monkeypatch, f"{KERNELS[kernel][0]}.cu", before, after)
    seen = 0
    for case in (Case(kernel, "ragged", True), Case(kernel, "ragged"), Case(kernel)):
        seen += max(worst(case, device).values()) > 1e-6
    assert seen


TIME = 9
LAYERS = {
    "SimpleRNN": (lambda: lamina.layers.SimpleRNN(4, return_sequences=True), 2),
    "LSTM": (lambda: lamina.layers.LSTM(4, return_sequences=True), 2),
    "GRU": (lambda: lamina.layers.GRU(4, return_sequences=True), 2),
    "GRU, reset before": (lambda: lamina.layers.GRU(4, return_sequences=True, reset_after=False), 4),
    "Bidirectional LSTM": (lambda: lamina.Bidirectional(lamina.layers.LSTM(4, return_sequences=True)), 4),
    "Bidirectional GRU": (lambda: lamina.Bidirectional(lamina.layers.GRU(4, return_sequences=True)), 4),
}


@pytest.mark.parametrize("lengths", [None, [3, 9, 0]], ids=["full", "ragged"])
@pytest.mark.parametrize("name", LAYERS)
def test_a_time_step_takes_few_launches(counted, name, lengths):
    backend, ledger = counted
    make, limit = LAYERS[name]
    work = []
    for time in (TIME, 2 * TIME):
        model = make()
        model.build((None, None, 3), seed=0, backend=backend)
        x = backend.asarray(np.ones((3, time, 3), "float32"))
        counts = []
        for run in (lambda: model.forward(x, lengths=given), lambda: model.backward(dy, saved)):  # noqa: B023
            given = None if lengths is None else np.array(lengths)
            ledger.clear()
            found = run()
            if len(counts) == 0:
                y, saved = found
                dy = backend.copy(y)
            totals = ledger.totals()
            assert totals["wait"] == totals["download"] == 0
            counts.append(totals["launch"] + totals["set"] + totals["copy"])
        work.append(counts)
    for once, twice in zip(*work, strict=True):
        assert twice - once == limit * TIME
