import re
from typing import Any

import pytest


@pytest.mark.parametrize(
    ("words", "seeds", "least"),
    [
        pytest.param((), 5, 96.5, id="defaults"),
        pytest.param(("--optimizer", "adagrad"), 1, 95.0, id="adagrad"),
        pytest.param(("--dtype", "float64"), 1, 95.0, id="float64"),
    ],
)
def test_japanese_vowels_are_learnt(run: Any, words: Any, seeds: int, least: float) -> None:
    """Mean accuracy, in percent, on the test part."""
    found = []
    for seed in range(seeds):
        result = run("train", "japanese-vowels", *words, "--seed", seed)
        assert result.code == 0
        found.append(float(re.findall(r"test accuracy (\S+) %", result.out)[-1]))
    assert sum(found) / seeds >= least, found
