"""How many Python calls a small fit makes: the whole cost of a tiny model, and it grows unseen."""

import gc

from benchmarks.calls import LIMIT, count, second_fit


def test_a_small_fit_stays_within_its_calls() -> None:
    calls, way = count(second_fit(), "simple_rnn_forward")
    assert calls["Trainer.fit"] == 1 and way[0] == "Trainer.fit" and way[-1].endswith("simple_rnn_forward")
    assert calls.total() <= LIMIT


def test_what_garbage_of_others_does_when_it_goes_is_not_counted() -> None:
    class Other:
        own: object = None

        def __del__(self) -> None:
            gone.append(helper())

    def helper() -> int:
        return 1

    gone: list[int] = []
    fit, before = second_fit(), gc.get_threshold()
    expected = count(fit, "simple_rnn_forward")[0].total()
    for threshold in (60, 80, 120, 200, 300):  # so that it is collected in the middle of one of them
        gc.disable()
        for _ in range(20):
            other = Other()
            other.own = other
        del other
        gc.set_threshold(threshold, 1, 1)
        gc.enable()
        try:
            assert count(fit, "simple_rnn_forward")[0].total() == expected
        finally:
            gc.set_threshold(*before)
    assert len(gone) == 100
