import pytest

from benchmarks.cpu.engine_targets import engine_targets
from benchmarks.cpu.targets import targets


def step(kind, shape, **seconds):
    return {"kind": kind, "shape": list(shape), "operations": 2_000, "seconds": named(seconds)}


def named(seconds):
    return {name.replace("_", " "): values for name, values in seconds.items()}


def promised(**run):
    return {target.what: target for target in engine_targets({"threads": 1, **run})}


def test_the_rival_that_is_the_fastest_beside_the_engine_counts():
    record = step("GRU", (32, 8, 8, 32), lamina=[9.0, 9.0], lamina_engine=[1.0, 2.0], jax=[3.0, 5.0], keras=[2.9, 5.9])
    found = promised(training=[record])
    target = found["engine, GRU (32, 8, 8, 32) over the fastest rival, jax"]
    assert target.needed == 2.8 and target.found == pytest.approx(2.75) and not target.holds
    assert found["engine, training over Lamina on NumPy, the least of 1: GRU (32, 8, 8, 32)"].holds


def test_ragged_batches_have_the_same_ratios_to_reach():
    record = step("LSTM", (64, 100, 64, 128), lamina_engine=[1.0], pytorch=[1.8])
    target = promised(ragged=[record])["engine, ragged LSTM (64, 100, 64, 128) over the fastest rival, pytorch"]
    assert target.needed == 1.75 and target.holds


def test_the_largest_is_promised_for_one_thread_alone():
    record = step("LSTM", (128, 128, 128, 512), lamina_engine=[1.0], pytorch=[1.1])
    assert [target.holds for target in engine_targets({"threads": 1, "training": [record]})] == [False]
    assert engine_targets({"threads": 2, "training": [record]}) == []


def test_through_trainer_the_tiny_step_counts():
    records = [
        step("SimpleRNN", shape, lamina=[1.0], trainer=[1.0], lamina_engine=[1.0], jax=[1.5])
        for shape in ((2, 3, 2, 4), (64, 100, 64, 128))
    ]
    assert {target.what: target.holds for target in engine_targets({"threads": 1, "trainer": records})} == {
        "engine, SimpleRNN (2, 3, 2, 4) through Trainer over the fastest rival, jax": False
    }


def test_one_step_at_batch_1_is_beside_onnx_runtime_and_a_sequence_beside_the_fastest():
    def inference(kind, time, units, **seconds):
        return {"kind": kind, "time": time, "units": units, "seconds": named(seconds)}

    records = [
        inference("GRU", 1, 64, lamina_engine=[1.0], onnx_runtime=[2.1], jax=[0.5]),
        inference("GRU", 100, 64, lamina_engine=[1.0], onnx_runtime=[2.1], jax=[1.2]),
        inference("SimpleRNN", 100, 256, lamina_engine=[1.0], jax=[1.2]),
    ]
    found = {
        target.what: (target.needed, target.holds) for target in engine_targets({"threads": 1, "inference": records})
    }
    assert found == {
        "engine, inference, GRU(64), time 1 over onnx runtime": (2.0, True),
        "engine, inference, GRU(64), time 100 over the fastest rival, jax": (1.3, False),
        "engine, inference, SimpleRNN(256), time 100 over the fastest rival, jax": (1.1, True),
    }


def test_epochs_are_beside_the_loop_of_pytorch():
    records = [
        {"data": data, "name": data, "seconds": named({"lamina_engine": [1.0], "pytorch": [3.0]})}
        for data in ("vowels", "characters")
    ]
    found = engine_targets({"threads": 1, "epochs": records})
    assert [(target.needed, target.holds) for target in found] == [(4.0, False), (1.5, True)]


def test_where_the_engine_gains_least_over_lamina_is_told_for_each_section():
    records = [
        step("GRU", (5, 5, 5, 5), lamina=[3.0], lamina_engine=[1.0], lamina_numba=[0.9]),
        step("LSTM", (5, 5, 5, 5), lamina=[2.0], lamina_engine=[1.0]),
    ]
    over_numpy, over_numba = engine_targets({"threads": 1, "training": records})
    assert over_numpy.found == pytest.approx(2) and over_numpy.what.endswith("the least of 2: LSTM (5, 5, 5, 5)")
    assert over_numba.found == pytest.approx(0.9) and not over_numba.holds


def test_what_the_engine_was_left_out_of_is_missed():
    records = [
        step("GRU", (2, 3, 2, 4), lamina=[1.0], jax=[2.0]),
        step("LSTM", (2, 3, 2, 4), lamina=[100.0], lamina_engine=[1.0], jax=[20.0]),
    ]
    gru, lstm, over_numpy = engine_targets({"threads": 1, "training": records})
    assert gru.found == 0 and not gru.holds and lstm.holds
    assert not over_numpy.holds and over_numpy.what.endswith("the least of 2: GRU (2, 3, 2, 4)")


def test_where_there_is_no_engine_nothing_is_promised():
    assert engine_targets({"threads": 1, "training": [step("GRU", (2, 3, 2, 4), lamina=[1.0], jax=[2.0])]}) == []


def test_they_are_promised_for_avx2():
    record = step("LSTM", (32, 28, 28, 64), lamina=[1.0], lamina_engine=[0.5], pytorch=[1.5])
    results = {"runs": [{"threads": 1, "training": [record]}]}
    engine = [target for target in targets({**results, "instructions": "AVX2"}) if target.what.startswith("engine")]
    assert engine and all(target.what.endswith("1 thread") for target in engine)
    for instructions in ("AVX-512", "arm64"):
        found = targets({**results, "instructions": instructions})
        assert found and not any(target.what.startswith("engine") for target in found)
