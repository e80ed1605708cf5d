"""Every case of Keras's suites for layers, losses, metrics, optimizers and schedules: what says it, or why none does.

The names are those of Keras 3.15.1, of ``*_test.py`` in ``keras/src/layers``, ``losses``, ``metrics`` and
``optimizers``; one with parameters counts once. A case is said where a user can ask of Lamina's public parts all that
it asks of Keras's: the number, the shape, the refusal, what is kept; not the wording. Settings beside what it is about,
such as penalties and limits, do not count. A loss here is given the logarithms of probabilities, a mask of steps stands
as lengths, and channels that come before steps are permuted. That what is said has Keras's numbers is shown in
``test_keras_values.py``, ``test_keras_layers.py`` and ``test_recurrent_dropout.py``; here Keras need not be installed.
"""

import re
from collections import Counter
from pathlib import Path

import pytest

import lamina
from tests.parity.keras_suites import OWN, groups, parts_of, resolve
from tests.parity.keras_suites import __file__ as FILE

pytestmark = pytest.mark.parity

# How many cases there are, and how many are said, by list.
TOTAL = {
    "images": 221,
    "layers": 380,
    "losses": 179,
    "metrics": 311,
    "more_layers": 207,
    "optimizers": 194,
    "preprocessing": 268,
    "recurrent": 77,
}
SAID = {
    "layers": 60,
    "losses": 119,
    "metrics": 198,
    "more_layers": 63,
    "optimizers": 118,
    "preprocessing": 13,
    "recurrent": 43,
}
# Of those, how many with a function, a cell or a `Composite` of one's own.
BY_OWN = 62
# Why cases are not said that are beyond Lamina as a whole: sequences of numbers in float32 and float64.
BEYOND = (
    "images, and boxes in them",
    "columns and text made into numbers: bins, hashes, vocabularies, one-hot rows",
    "two or three axes of space: Lamina has one axis, time",
    "weights of 8 or 4 bits, or of float8 (int8, int4, GPTQ, AWQ)",
    "updates of low rank beside a layer's weights (LoRA)",
    "a tf.data or Grain pipeline, or another object of one framework's",
    "sparse or ragged tensors: Lamina has lengths, and gradients of tables by rows",
    "spectrograms of sound",
    "attention by fused kernels of the backend (flash attention)",
    "a kernel of cuDNN chosen by Keras",
    "loss scaling for half precision",
)
WITHIN = 1150
GROUPS = groups()
SAYINGS = sorted({group.said for group in GROUPS if group.said})


def count(chosen):
    found = Counter()
    for group in chosen:
        found[group.room] += len(group.cases)
    return found


def test_every_case_is_in_one_group():
    cases = Counter((group.file, case) for group in GROUPS for case in group.cases)
    assert [case for case, times in cases.items() if times > 1] == []
    assert all(re.fullmatch(r"\w+Test\w*\.test\w+|Test\w+\.test\w+", case) for _, case in cases)
    assert all(bool(group.said) != bool(group.unsaid) and group.cases for group in GROUPS)
    rooms = {group.file: group.room for group in GROUPS}
    assert all(rooms[group.file] == group.room for group in GROUPS)


def test_how_many_are_said(note):
    said, unsaid = (count(group for group in GROUPS if getattr(group, kind)) for kind in ("said", "unsaid"))
    reasons = Counter()
    for group in GROUPS:
        if group.unsaid:
            reasons[group.unsaid] += len(group.cases)
    own = sum(
        len(group.cases)
        for group in GROUPS
        if group.said and OWN & {name for name, _ in map(plain, parts_of(group.said))}
    )
    total = sum(said.values()) + sum(unsaid.values())
    within = total - sum(reasons[reason] for reason in BEYOND)
    among = f"{sum(said.values())} of {within} cases within reach, of {total}, are said"
    note(f"Keras's cases: {among}, {own} with a function or a cell of one's own")
    for reason, times in reasons.most_common():
        note(f"{times:>4} not: {reason}")
    assert set(BEYOND) <= set(reasons)
    assert dict(said + unsaid) == TOTAL
    assert dict(said) == SAID
    assert (own, within) == (BY_OWN, WITHIN)


def plain(part):
    name, arguments = part
    return name.removesuffix(".__call__").removesuffix(".forward").removesuffix(".build"), arguments


def test_the_page_of_what_is_proven_says_how_many():
    text = " ".join((Path(__file__).parents[2] / "docs" / "proof.md").read_text().split())
    assert f"{sum(SAID.values())} of the {WITHIN:,} cases within reach, of {sum(TOTAL.values()):,}, in Keras's" in text


@pytest.mark.parametrize("said", SAYINGS)
def test_what_says_it_is_there(said):
    parts = parts_of(said)
    assert ", ".join(name + (f"({', '.join(arguments)})" if arguments else "") for name, arguments in parts) == said
    for name, arguments in parts:
        assert callable(resolve(name, arguments))


def test_what_is_not_there_is_seen():
    with pytest.raises(AttributeError, match="no attribute 'Conv2D'"):
        resolve("layers.Conv2D", [])
    with pytest.raises(AttributeError, match=r"^Layer\._kept is not public$"):
        resolve("Layer._kept", [])
    with pytest.raises(TypeError, match=r"^layers\.Dense takes no activation$"):
        resolve("layers.Dense", ["units", "activation"])
    assert resolve("optimizers.Adam", ["groups", "beta1"]) is lamina.optimizers.Adam


def test_what_says_it_is_compared_with_another_implementation():
    """Each class that says something, but for bases and callbacks, stands in another test of this folder."""
    here = Path(__file__)
    text = "".join(path.read_text() for path in here.parent.glob("*.py") if path not in (here, Path(FILE)))
    names = {part for said in SAYINGS for name, _ in parts_of(said) for part in name.split(".") if part[0].isupper()}
    assert len(names) > 80
    missing = {name for name in names if not re.search(rf"\b{name}\b", text)}
    assert missing <= {"ForPart", "Metric", "Schedule"}
