"""Every case of Keras's suites for layers, losses, metrics, optimizers and schedules: what says it, or why none does.

The names are those of Keras 3.15.1, of ``*_test.py`` under ``keras/src/layers``, ``losses``, ``metrics`` and
``optimizers``; a case with parameters counts once, and is said where all of it is. A case is said where a user can ask of
Lamina's public parts what it asks of Keras's: the number, the shape, the refusal, what is kept; not its wording. Of
probabilities a loss here is given the logarithms, and a mask of steps stands as lengths. That what is said gives Keras's
numbers is shown in ``test_keras_values.py``. Keras need not be installed.
"""

import re
from collections import Counter
from pathlib import Path

import pytest

import lamina
from tests.parity.keras_suites import OWN, groups, parts_of, resolve

pytestmark = pytest.mark.parity

# How many cases there are, and how many are said, by room: 377 of 775 within reach were, before issue 14.
TOTAL = {}
SAID = {}
BY_OWN = 0
# Files of these are beyond Lamina as a whole: images, text and quantized weights are not what it is for.
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
    among = f"{sum(said.values())} of {sum(said.values()) + sum(unsaid.values())}"
    note(f"Keras's cases: {among} are said, {own} with a function or a cell of one's own")
    for reason, times in reasons.most_common():
        note(f"{times:>4} not: {reason}")
    assert dict(said + unsaid) == TOTAL
    assert dict(said) == SAID
    assert own == BY_OWN


def plain(part):
    name, arguments = part
    return name.removesuffix(".__call__").removesuffix(".forward").removesuffix(".build"), arguments


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
    """Each class that says something stands in a test of this folder."""
    text = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py") if path != Path(__file__))
    text += "".join(path.read_text() for path in Path(__file__).parent.glob("*_*.py") if path.name != "keras_suites.py")
    names = {part for said in SAYINGS for name, _ in parts_of(said) for part in name.split(".") if part[0].isupper()}
    assert len(names) > 60
    assert sorted(name for name in names if not re.search(rf"\b{name}\b", text)) == []
