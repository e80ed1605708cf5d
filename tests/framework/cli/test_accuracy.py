import re
from typing import Any

import pytest


@pytest.mark.parametrize(("words", "least"), [((), 96.5), (("--optimizer", "adagrad"), 96.0)])
def test_japanese_vowels_are_learnt(run: Any, words: Any, least: float) -> None:
    """Mean accuracy on the test part, with the defaults, of five seeds."""
    found = []
    for seed in range(5):
        result = run("train", "japanese-vowels", *words, "--seed", seed)
        assert result.code == 0
        found.append(float(re.findall(r"test accuracy (\S+) %", result.out)[-1]))
    assert sum(found) / 5 >= least, found
