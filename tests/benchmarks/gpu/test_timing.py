import itertools

from benchmarks.gpu import timing
from benchmarks.gpu.timing import Rival, alternate


def test_rivals_take_turns_and_one_that_fails_leaves(monkeypatch):
    clock, order, told = itertools.count(), [], {}
    monkeypatch.setattr(timing.time, "perf_counter", lambda: float(next(clock)))

    def rival(name, fails_at=None):
        def calls(times):
            order.append(name)
            if order.count(name) == fails_at:
                raise ValueError("a fault")

        return Rival(name, calls)

    rivals = [rival("a"), rival("b", fails_at=4), rival("c"), rival("d", fails_at=1)]
    times = alternate(rivals, lambda: None, lambda name, error: told.update({name: str(error)}))
    assert order == [*"aabbccd", *"abc", *"abc", *"ac"]  # once, twice, then as few rounds as there may be
    assert set(times) == {"a", "c"} and told == {"b": "a fault", "d": "a fault"}
    assert times["a"].done == [2.0] * 3 and times["a"].host == [1.0] * 3 and times["a"].median == 2.0


def test_a_quick_call_is_repeated_until_a_turn_is_long_enough():
    made = []
    alternate([Rival("quick", made.append)], lambda: None, lambda name, error: None)
    assert made[:2] == [1, 2] and set(made[2:]) == {made[2]} and made[2] > 100
    assert len(made) == 2 + timing._ROUNDS
