"""What ``lamina train`` trains with: its settings, written out once more, and what of its options reaches the trainer.

The settings came out of a cross-validation, which no test can run again; what is right is what was written down then.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lamina
from lamina import recipes
from lamina.cli import _parser, training_job
from lamina.cli.tasks import find_task
from lamina.cli.train import TASKS
from lamina.errors import UnknownNameError
from lamina.layers import GRU, Dense, Standardize
from lamina.optimizers import SGD, AdaGrad, Adam, AdamW, RMSprop

SETTINGS: dict[str, tuple[type[lamina.Optimizer], dict[str, float]]] = {
    "adagrad": (AdaGrad, {"lr": 0.015, "weight_decay": 0.003, "clip_norm": 1.0}),
    "adam": (Adam, {"lr": 0.003, "clip_norm": 1.0}),
    "adamw": (AdamW, {"lr": 0.003, "weight_decay": 0.1, "clip_norm": 1.0}),
    "rmsprop": (RMSprop, {"lr": 0.001, "clip_norm": 1.0}),
    "sgd": (SGD, {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.003, "clip_norm": 1.0}),
}


def test_the_commands_defaults_are_as_written_out() -> None:
    found = vars(_parser().parse_args(["train", "digits"]))
    assert {name: value for name, value in found.items() if name != "run"} == {
        "data": "digits",
        "task": "classify",
        "cell": None,
        "units": None,
        "layers": 1,
        "bidirectional": False,
        "dropout": 0.0,
        "optimizer": "sgd",
        "learning_rate": None,
        "schedule": "linear_decay",
        "epochs": 50,
        "batch_size": 32,
        "backend": None,
        "dtype": None,
        "seed": 0,
        "seeds": 1,
        "validation": 0.0,
        "patience": None,
        "horizon": None,
        "window": None,
        "memory": 2_000_000_000,
        "season": None,
        "test": None,
        "id": None,
        "time": None,
        "target": None,
        "features": None,
        "out": None,
        "checkpoint": False,
        "every": None,
        "distributed": None,
        "timeout": None,
    }
    chosen = {name: (find_task(name, {}).cell, find_task(name, {}).units) for name in TASKS}
    of_classes, of_numbers = ("simple_rnn", 128), ("gru", 32)
    assert chosen == {"classify": of_classes, "tag": of_classes, "regress": of_numbers, "forecast": of_numbers}
    assert recipes.LABEL_SMOOTHING == 0.1


@pytest.mark.parametrize("name", SETTINGS)
def test_each_optimizer_has_the_settings_that_did_well(name: str) -> None:
    layer = Dense(2)
    layer.build((None, 3))
    cls, settings = SETTINGS[name]
    made = recipes.find_recipe(name, None).make(layer.parameters())
    assert type(made) is cls
    assert made.config() == cls(layer.parameters(), **settings).config()
    assert recipes.rates()[name] == settings["lr"]
    other = recipes.find_recipe(name, 0.25).make(layer.parameters())
    assert other.config() == {**made.config(), "lr": 0.25}


def test_every_recipe_is_written_out() -> None:
    assert set(recipes.rates()) == set(SETTINGS)


@pytest.mark.parametrize("epochs", [1, 2, 30, 50])
def test_schedules_end_with_the_last_epoch(epochs: int) -> None:
    made = {name: recipes.find_schedule(name, epochs) for name in recipes.SCHEDULES}
    rate: dict[str, Any] = {name: getattr(one, "rate", None) for name, one in made.items()}
    assert rate["linear_decay"](epochs, 8.0) == 0
    assert rate["linear_decay"](0, 8.0) == 8
    assert rate["cosine_decay"](epochs, 8.0) == pytest.approx(0, abs=1e-12)
    assert rate["exponential_decay"](epochs, 8.0) == pytest.approx(0.08)
    # In thirds, each at a tenth of the rate before.
    third = max(1, epochs // 3)
    assert [rate["step_decay"](count, 8.0) for count in (third - 1, third)] == pytest.approx([8.0, 0.8])
    assert rate["one_cycle"](epochs, 8.0) == pytest.approx(8 / 250_000)
    assert max(rate["one_cycle"](count, 8.0) for count in np.linspace(0, epochs, 601)) == pytest.approx(8.0, rel=1e-3)
    plateau: Any = made["reduce_on_plateau"]
    assert (plateau.monitor, plateau.factor, plateau.patience) == ("loss", 0.1, 10)
    assert made["constant"] is None
    assert list(made) == [
        *("linear_decay", "cosine_decay", "exponential_decay", "step_decay", "one_cycle"),
        *("reduce_on_plateau", "constant"),
    ]


@pytest.mark.parametrize("name", ["LinearDecay", "linear-decay", "linear_decay", "LINEARDECAY"])
def test_a_schedules_name_may_be_written_as_an_optimizers(name: str) -> None:
    assert repr(recipes.find_schedule(name, 30)) == "LinearDecay(30)"
    with pytest.raises(UnknownNameError, match=f"^unknown schedule '{name}s': did you mean 'linear_decay'"):
        recipes.find_schedule(f"{name}s", 30)


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("dropout", [0.0, 0.25])
def test_a_stack_hands_sequences_on_and_gives_its_last_state(count: int, both: bool, dropout: float) -> None:
    stack = recipes.build_stack(Standardize(), GRU, 4, 3, layers=count, bidirectional=both, dropout=dropout)
    expected = ["Standardize()"]
    for index in range(count):
        cell = "GRU(4, return_sequences=True)" if index < count - 1 else "GRU(4)"
        expected.append(f"Bidirectional({cell})" if both else cell)
        expected += ["Dropout(0.25)"] if dropout else []
    assert [repr(layer) for layer in stack.layers] == [*expected, "Dense(3)"]
    assert stack.build((None, None, 2)) == (None, 3)


def test_the_options_reach_the_trainer(run: Any, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a user asked for is what is trained with."""
    given: dict[str, Any] = {}

    class Spying(lamina.Trainer):
        def __init__(self, model: Any, loss: Any, optimizer: Any, **options: Any) -> None:
            given.update(options, model=repr(model), loss=repr(loss), optimizer=repr(optimizer), dtype=model.dtype)
            given.update(backend=model.backend.name, weights=model.state_dict())
            super().__init__(model, loss, optimizer, **options)

        def fit(self, x: Any, y: Any, **options: Any) -> Any:
            given.update(options, rows=len(y))
            return super().fit(x, y, **options)

    monkeypatch.setattr(training_job, "Trainer", Spying)
    monkeypatch.setattr("lamina.train.history.History.plot", lambda history, path: path.write_bytes(b"picture"))
    words = ["--cell", "lstm", "--units", 3, "--layers", 2, "--bidirectional", "--dropout", 0.25, "--optimizer", "adam"]
    words += ["--learning-rate", 0.125, "--schedule", "step_decay", "--epochs", 6, "--batch-size", 7]
    words += ["--backend", "reference", "--dtype", "float64", "--seed", 5, "--out", tmp_path / "out"]
    assert run("train", file, *words).code == 0
    first = Standardize()
    stack = recipes.build_stack(first, recipes.CELLS["lstm"], 3, 3, layers=2, bidirectional=True, dropout=0.25)
    stack.build((None, None, 2), backend="reference", dtype="float64", seed=5)
    assert given["model"] == repr(stack)
    measured = {f"0.{name}" for name in first.own_parameters()}
    others = {name: array for name, array in stack.state_dict().items() if name not in measured}
    assert len(others) == 14 and set(given["weights"]) == set(others) | measured
    assert all(np.array_equal(array, given["weights"][name]) for name, array in others.items())
    assert (given["backend"], given["dtype"]) == ("reference", "float64")
    assert given["loss"] == "SoftmaxCrossEntropy(label_smoothing=0.1)"
    assert given["optimizer"] == "Adam(lr=0.125, clip_norm=1.0)"
    assert repr(given["callbacks"][0]) == "StepDecay(2)"
    assert (given["metrics"], given["seed"]) == ("accuracy", 5)
    assert (given["epochs"], given["batch_size"], given["rows"], len(given["lengths"])) == (6, 7, 48, 48)
    facts = lamina.load(tmp_path / "out" / "model.safetensors").facts
    assert facts["data"]["held_out_seed"] == 5
    assert facts["training"]["seed"] == 5
