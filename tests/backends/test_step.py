"""Steps: what all have in common."""

from lamina.backends.step import Step


def test_a_step_that_comes_again_is_a_run_of_the_first_rows_that_looks_at_whole_numbers():
    seen = []

    class Plain(Step):
        def run(self, rows, count, *, clear=True, update=True, check=False):
            seen.append((rows, count, clear, update, check))
            return count < 4

        give = set = infer = output = None

    assert Plain().again(3)
    assert not Plain().again(4)
    assert seen == [(None, 3, True, True, True), (None, 4, True, True, True)]
