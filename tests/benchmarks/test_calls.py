"""How many Python calls a small fit makes: the whole cost of a tiny model, and it grows unseen."""

from benchmarks.calls import LIMIT, count, second_fit


def test_a_small_fit_stays_within_its_calls() -> None:
    calls, way = count(second_fit(), "simple_rnn_forward")
    assert calls["Trainer.fit"] == 1 and way[0] == "Trainer.fit" and way[-1].endswith("simple_rnn_forward")
    assert calls.total() <= LIMIT
