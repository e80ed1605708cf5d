import pytest

from benchmarks.cpu.targets import share, targets


def results(**run):
    return {"runs": [{"threads": 1, **run}]}


def training(kind, shape, **seconds):
    return {"kind": kind, "shape": list(shape), "operations": 2_000, "seconds": seconds}


def test_the_fastest_rival_counts_and_numpy_by_hand_is_none():
    record = training("GRU", (32, 28, 28, 64), lamina=[1.0, 2.0], pytorch=[3.0, 6.0], jax=[1.3, 2.6])
    record["seconds"]["by hand"] = [0.5, 0.5]
    [target] = targets(results(training=[record]))
    assert "jax" in target.what and "1 thread" in target.what
    assert target.found == pytest.approx(1.3) and target.needed == 1.2 and target.holds


def test_a_missed_target_says_so():
    record = training("SimpleRNN", (2, 3, 2, 4), lamina=[1.0], pytorch=[5.0], jax=[0.5])
    jax, pytorch = targets(results(training=[record]))
    assert not jax.holds and str(jax).startswith("MISSED") and pytorch.holds and str(pytorch).startswith("holds")


def test_the_largest_simple_rnn_has_a_share_of_the_products_to_reach():
    record = training("SimpleRNN", (128, 128, 128, 512), lamina=[1.0], pytorch=[2.0])
    assert share(record, rate=2500) == pytest.approx(0.8)
    found = targets(results(training=[record], products=2500))
    assert [target.holds for target in found] == [True, False]


def test_less_is_better_where_time_or_memory_is_bounded():
    inference = {"kind": "GRU", "time": 100, "units": 64, "seconds": {"lamina": [1.4], "onnx runtime": [1.0]}}
    [target] = targets(results(inference=[inference]))
    assert target.found == pytest.approx(1.4) and not target.holds
    loops = [
        {"shape": [2, 3, 2, 4], "seconds": {"lamina": [1e-4], "trainer": [1.5e-4]}},
        {"shape": [64, 100, 64, 128], "seconds": {"lamina": [1.0], "trainer": [1.06]}},
    ]
    tiny, large = targets(results(trainer=loops))
    assert tiny.found == pytest.approx(50) and tiny.holds
    assert large.found == pytest.approx(6) and not large.holds
    memory = {"lamina": {"imported": 10, "most": 30}, "pytorch": {"imported": 200, "most": 210}}
    record = {"kind": "LSTM", "shape": [16, 1000, 32, 128], "bytes": memory}
    whole, since = targets({"runs": [], "memory": [record]})
    assert whole.holds and not since.holds


def test_what_was_not_measured_has_no_target():
    alone = training("LSTM", (32, 28, 28, 64), lamina=[1.0])
    assert targets(results(training=[alone], inference=[], epochs=[])) == []
