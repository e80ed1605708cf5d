"""Every registered part occurs in random models, in every kind of place."""

import re

import pytest

import lamina
from lamina.core.layer import Layer
from lamina.losses.loss import Loss
from lamina.optimization.optimizer import Optimizer
from lamina.optimizers.schedules import Schedule
from lamina.testing.proofs.model_copies import is_here
from lamina.testing.random_models import parts as of_users
from lamina.testing.random_models import run
from lamina.testing.random_models.graphs import Kind, Wiring


@pytest.fixture(scope="module")
def drawn() -> list[str]:
    """What 3000 descriptions say, without their first lines."""
    found: list[str] = []

    def keep(description) -> None:
        found.append(str(description).partition("rng =")[2])

    run(3000, seed=0, each=keep)
    return found


def names(registry) -> set[str]:
    found = set(registry._names.values())
    # Of the product's own: examples in docstrings, and other tests, register theirs too.
    rooms = ("lamina.layers.", "lamina.compose.", "lamina.kinds.", "lamina.losses.", "lamina.optimizers.")
    return {name for name in found if registry.find(name).__module__.startswith(rooms)}


def test_every_layer_and_every_part_of_a_users_occurs(drawn) -> None:
    text = "\n".join(drawn)
    wanted = {name for name in names(Layer.registry) if "testing.cases" not in Layer.registry.find(name).__module__}
    wanted |= set(of_users.__all__)
    assert {name for name in wanted if not re.search(rf"\b{name}\(", text)} == set()


def test_every_loss_optimizer_and_schedule_occurs(drawn) -> None:
    text = "\n".join(drawn).replace("'mse'", "MeanSquaredError()")
    left_out = {"ReduceOnPlateau", "ProductSchedule", "MultiStepDecay", "OneCycle"}  # need a figure, others, a count
    left_out |= {"LBFGS"}  # needs a closure
    wanted = (names(Loss.registry) | names(Optimizer.registry) | names(Schedule.registry)) - left_out
    assert {name for name in wanted if f"{name}(" not in text} == set()


@pytest.mark.parametrize(
    "what",
    [
        "array-api-strict",
        "backend='numba'",
        "backend='reference'",
        "dtype='float32'",
        "lengths=None",
        "clip_norm",
        "clip_value",
        "groups=every_second",
        "per='step'",
        "shared_0 = ",
        "ties=[",
        "frozen(",
        "row_wise=False",
        "'concatenate'",
        "return_state=True",
        "go_backwards=True",
        "Recurrent(Mixing(",
        "Bidirectional(Recurrent(",
        "Graph([Graph(",
    ],
)
def test_every_kind_of_place_occurs(drawn, what: str) -> None:
    if "numba" in what and not is_here("numba"):
        pytest.skip("needs Numba: pip install -e '.[numba]'")
    assert sum(what in one for one in drawn) >= 5


def test_two_sequences_of_different_lengths_and_several_outputs_occur(drawn) -> None:
    pairs = [re.search(r"lengths=\((\[.*?\]), (\[.*?\])\)", one) for one in drawn]
    assert sum(pair is not None and pair[1] != pair[2] for pair in pairs) > 100
    assert sum(re.search(r"\], \[\d+, \d+\](, ties|\))", one) is not None for one in drawn) > 50
    assert sum(" 0," in one.partition("lengths=")[2].partition("dtype")[0] for one in drawn) > 20


def test_descriptions_run_on_what_the_code_says() -> None:
    seen = []
    run(5, seed=3, each=seen.append)
    for description in seen:
        model, inputs, options = description.made()
        assert isinstance(model, lamina.Layer)
        assert len(inputs) == len(description.inputs)
        assert options["dtype"] == description.dtype
        trial = description.trial()
        assert [value.shape for value in trial.values] == [value.shape for value in inputs]
        assert (trial.target is None) == (description.loss is None)


def test_a_time_axis_that_arises_has_no_inputs_name() -> None:
    wiring = Wiring([Kind(2, "a1"), Kind(2, "a"), Kind(3, "b"), Kind(3, "a2")])
    assert wiring.new_time("a") == "a3"
    wiring.kinds.append(Kind(2, "a3"))
    assert wiring.new_time("a") == "a4"
    assert wiring.new_time("b") == "b5"
