"""Which optimizer a trainer uses; what it refuses is tested with the trainer."""

from typing import Any

import pytest

from lamina.errors import ArgumentError, NotBuiltError, UnknownNameError
from lamina.layers import Dense
from lamina.optimizers import SGD
from lamina.train.optimizer_choice import OptimizerChoice


def dense(built: bool = True) -> Dense:
    layer = Dense(2)
    if built:
        layer.build((None, 3))
    return layer


def test_one_that_is_given_is_used_as_it_is() -> None:
    model = dense()
    optimizer = SGD(model.parameters(), 0.5)
    choice = OptimizerChoice(optimizer)
    assert choice.is_made
    assert choice.of(model) is optimizer
    assert repr(choice) == "SGD(lr=0.5)"


@pytest.mark.parametrize("wanted", ["sgd", SGD, lambda parameters: SGD(parameters, lr=0.2)])
def test_one_by_name_or_function_is_made_once_for_each_model(wanted: Any) -> None:
    choice, model, other = OptimizerChoice(wanted), dense(), dense()
    assert not choice.is_made
    with pytest.raises(NotBuiltError):
        choice.of(dense(built=False))
    made = choice.of(model)
    assert [id(parameter) for parameter in made.parameters] == [id(parameter) for parameter in model.parameters()]
    assert choice.of(model) is made
    assert choice.of(other) is not made
    assert repr(choice) == repr(choice.of(other))


def test_anothers_optimizer_is_refused() -> None:
    for wanted in (SGD(dense().parameters()), lambda _: SGD(dense().parameters())):
        with pytest.raises(ArgumentError) as caught:
            OptimizerChoice(wanted).of(dense())
        assert str(caught.value) == (
            "Trainer: the SGD is over parameters of another model: make it from this model's, once it is built, "
            "or pass its name or a function of the parameters"
        )


def test_what_is_no_optimizer_is_refused() -> None:
    with pytest.raises(ArgumentError, match=r"^Trainer: expected an optimizer, its name or a function, got 3$"):
        OptimizerChoice(3)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match=r"^Trainer: expected optimizer to be an Optimizer, got 3$"):
        OptimizerChoice(lambda _: 3).of(dense())  # type: ignore[arg-type, return-value]
    with pytest.raises(UnknownNameError, match=r"^unknown optimizer 'sgdd'"):
        OptimizerChoice("sgdd")
