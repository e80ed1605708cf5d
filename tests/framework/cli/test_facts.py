"""What a model file says of its task and its data is looked at before it is believed."""

from typing import Any

import numpy as np
import pytest

import lamina
from lamina.cli.facts import require_data_facts, require_facts, task_facts
from lamina.errors import CheckpointError
from lamina.layers import Dense, Reshape, SimpleRNN

X = np.random.default_rng(0).standard_normal((6, 5, 2))


def classifier() -> Any:
    model = lamina.Sequential(SimpleRNN(3), Dense(3))
    model.build((None, None, 2), seed=0)
    return model


def forecaster() -> Any:
    model = lamina.Sequential(SimpleRNN(3), Dense(4), Reshape((2, 2)))
    model.build((None, 4, 2), seed=0)
    return model


def regressor() -> Any:
    model = lamina.Sequential(SimpleRNN(3), Dense(2))
    model.build((None, None, 2), seed=0)
    return model


FORECAST = {"name": "forecast", "window": 4, "horizon": 2, "season": None, "targets": ["u", "v"], "columns": {}}
REGRESS = {"name": "regress", "targets": ["u", "v"], "target_mean": [0.5, 1], "columns": {}}
COLUMNS = {"id": "id", "time": None, "target": ["u"], "features": []}

# What fits, and beside it values of each fact that do not.
SOUND: dict[str, tuple[Any, dict[str, Any]]] = {
    "classify": (classifier, {"class_names": ["a", "b", "c"], "task": {"name": "classify", "columns": COLUMNS}}),
    "no task": (classifier, {"class_names": [0, 1.5, True], "task": "mine", "data": ["my", "own"]}),
    "regress": (regressor, {"task": REGRESS, "data": {"held_out_of": "0", "held_out_seed": 3}}),
    "forecast": (forecaster, {"task": FORECAST}),
    "a season": (forecaster, {"task": {**FORECAST, "season": 4}}),
    "nothing of targets": (regressor, {"task": {"name": "regress"}}),
}
HOSTILE: tuple[Any, ...] = (
    *(None, 0, -1, 1, 2, 2.0, 0.5, 10**9, 10**30, True, "", "x", "\x1b[31m", [], [1], ["a"], ["a", "b"]),
    *({}, {"a": 1}, [None, None], [float("nan")] * 2, [float("inf")] * 2, [10**400, 1], [0.5] * 3, ["\u202e"] * 5),
    [[1, 2], [3, 4]],
)
Wrong = tuple[Any, dict[str, Any], str]


def of_task(make: Any, facts: dict[str, Any], name: str, *values: Any) -> list[Wrong]:
    return [(make, {"task": {**facts, name: value}}, name) for value in values]


def of_data(name: str, *values: Any) -> list[Wrong]:
    data = {"held_out_of": "0", "held_out_seed": 3}
    return [(regressor, {"task": REGRESS, "data": {**data, name: value}}, name) for value in values]


def of_classes(*values: Any) -> list[Wrong]:
    return [(classifier, {"class_names": value}, "'class_names'") for value in values]


WRONG = [
    *of_classes("abc", 3, ["a"], ["a"] * 4, {"a": 1, "b": 2}, ["a", "b", None], ["a", "b", [1]], ["a", "b", {}]),
    *of_task(classifier, {}, "name", None, 3, ["tag"], {}),
    *of_task(classifier, {"name": "classify"}, "columns", 3, "a", ["a"], {"id": 3}, {"id": ["a"]}, {"else": "a"}),
    *of_task(regressor, REGRESS, "columns", {"target": 3}, {"target": "a"}, {"features": [1]}, {"time": {}}),
    *of_task(regressor, REGRESS, "targets", None, "uv", ["u"], [1, 2], {}),
    *of_task(regressor, REGRESS, "target_mean", None, 1, [1], "ab", [[1], [2]], [1, float("nan")], [1, 10**400]),
    *of_task(forecaster, FORECAST, "horizon", None, 1, 3, 10**12, "2", [2], -2),
    *of_task(forecaster, FORECAST, "window", None, 3, 10**12, "4", [4], -4, 0),
    *of_task(forecaster, FORECAST, "season", 0, -1, 5, "2", [2], 10**12),
    *of_data("held_out_of", 3, None, ["a"]),
    *of_data("held_out_seed", -1, None, "3", 0.5, [1], True),
]
COMMANDS = ("evaluate", "m.safetensors", "a.npz"), ("predict", "m.safetensors", "a.npz", "--out", "o.csv")


@pytest.mark.parametrize("name", SOUND)
def test_what_a_command_notes_is_taken(name: str) -> None:
    make, facts = SOUND[name]
    model = make()
    model.facts.update(facts)
    require_facts(model)
    assert task_facts(model)["name"] in ("classify", "regress", "forecast")


@pytest.mark.parametrize(("make", "facts", "message"), WRONG, ids=[f"{number}" for number in range(len(WRONG))])
def test_what_does_not_fit_is_one_line_that_names_file_and_fact(run: Any, make: Any, facts: Any, message: str) -> None:
    model = make()
    model.facts.update(facts)
    model.save("m.safetensors")
    np.savez("a.npz", x=X, y=[0, 1, 2] * 2)
    for words in COMMANDS:
        found = run(*words)
        assert (found.code, found.out) == (2, "")
        assert found.err.startswith("lamina: error: 'm.safetensors': fact '") and message in found.err
        assert found.err.count("\n") == 1 and found.err.rstrip("\n").isprintable()


@pytest.mark.parametrize("name", SOUND)
def test_whatever_the_facts_are_nothing_but_one_line_comes_of_it(run: Any, name: str) -> None:
    make, facts = SOUND[name]
    np.savez("a.npz", x=X[:, :4], y=[0, 1, 2] * 2)
    places = [("facts", key) for key in ("task", "data", "class_names")]
    places += [("task", key) for key in facts["task"]] if isinstance(facts["task"], dict) else []
    for holder, key in places:
        for value in HOSTILE:
            model = make()
            model.facts.update(facts)
            if holder == "task":
                model.facts["task"] = {**facts["task"], key: value}
            else:
                model.facts[key] = value
            model.save("m.safetensors")
            for words in (
                ("evaluate", "m.safetensors", "a.npz"),
                ("predict", "m.safetensors", "a.npz", "--out", "o.csv"),
            ):
                found = run(*words)
                assert found.code == 0 or (found.code == 2 and found.err.count("\n") == 1)
                assert (found.out + found.err).replace("\n", "").isprintable()
            assert run("info", "m.safetensors").code == 0


def test_the_seed_of_what_was_held_out_is_a_seed() -> None:
    model = classifier()
    assert require_data_facts(model) == {}
    model.facts["data"] = {"held_out_of": "0", "held_out_seed": 10**30}
    assert require_data_facts(model)["held_out_seed"] == 10**30
    model.facts["data"]["held_out_seed"] = -1
    with pytest.raises(CheckpointError, match=r"^fact 'data': expected held_out_seed to be a whole number of 0"):
        require_data_facts(model)
