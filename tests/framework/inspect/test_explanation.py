"""What is said of a training step: what is planned, and why not what is not."""

import pickle

import pytest

import lamina


class Own(lamina.Layer):
    def build(self, shape):
        return shape

    def forward(self, x):
        return x, None

    def backward(self, dy, saved):
        return dy


def model_of(backend, *layers):
    model = lamina.Sequential(*layers, lamina.layers.Dense(2))
    model.build((None, None, 3), seed=0, backend=backend)
    return model


def rows_of(explanation):
    return {row[0]: row[2] for row in explanation.rows}


def test_a_backend_without_plans_is_named_with_the_one_that_has_them():
    found = lamina.inspect.explain(model_of("numpy", lamina.layers.GRU(4)), "mse")
    assert not found.planned
    assert found.splitlines()[-1].startswith("backend 'numpy' plans no steps: build the model on 'numba'")
    assert set(rows_of(found).values()) == {"by kernels"}


def test_a_model_that_is_planned():
    pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")
    model = model_of("numba", lamina.layers.GRU(4))
    found = lamina.inspect.explain(model, "softmax_cross_entropy", lamina.optimizers.SGD(model.parameters()))
    assert found.planned
    assert found.splitlines()[-1] == "training steps are planned as one"
    assert set(rows_of(found).values()) == {"in the plan"}
    assert "<table" in found._repr_html_()


def test_each_part_that_is_not_planned_says_why():
    pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")
    model = model_of("numba", Own(), lamina.layers.LSTM(4, projection=3))
    found = lamina.inspect.explain(model, "dice", lamina.optimizers.LBFGS(model.parameters()))
    rows = rows_of(found)
    assert not found.planned
    assert rows["0"] == "by kernels: Own '0' has no compiled form"
    assert rows["1"] == "in the plan"
    assert rows["loss"].startswith("by kernels: Dice")
    assert rows["optimizer"].startswith("by kernels: LBFGS")
    assert found.splitlines()[-1] == "training steps run by kernels: Own '0' has no compiled form"


@pytest.mark.parametrize(
    ("wanted", "kind", "runs"),
    [
        ("adam", "Adam", "in the plan"),
        (lambda parameters: lamina.optimizers.SGD(parameters, lr=0.1, clip_norm=1), "SGD", "in the plan"),
        ({"*": "adam", "0.*": "sgd"}, "JointOptimizer", "in the plan"),
        ("lbfgs", "LBFGS", "by kernels: LBFGS"),
    ],
)
def test_an_optimizer_is_taken_as_a_trainer_takes_it(wanted, kind, runs):
    pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")
    found = lamina.inspect.explain(model_of("numba", lamina.layers.GRU(4)), "mse", wanted)
    assert [row[1] for row in found.rows if row[0] == "optimizer"] == [kind]
    assert rows_of(found)["optimizer"].startswith(runs)


def test_an_optimizer_that_is_none_or_of_another_model_is_refused():
    model, other = (model_of("numpy", lamina.layers.GRU(4)) for _ in range(2))
    with pytest.raises(lamina.errors.UnknownNameError, match="adamm"):
        lamina.inspect.explain(model, "mse", "adamm")
    with pytest.raises(lamina.errors.ArgumentError, match="explain: expected an optimizer, its name or a function"):
        lamina.inspect.explain(model, "mse", 3)
    with pytest.raises(lamina.errors.ArgumentError, match="explain: the SGD is over parameters of another model"):
        lamina.inspect.explain(model, "mse", lamina.optimizers.SGD(other.parameters()))


class Heads(lamina.Composite):
    def __init__(self):
        self.body, self.first, self.second = lamina.layers.GRU(4), lamina.layers.Dense(2), lamina.layers.Dense(1)

    def compose(self, t, x):
        h = t(self.body, x)
        return t(self.first, h), t(self.second, h), h


def test_each_loss_of_several_outputs_is_named():
    pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")
    model = Heads()
    model.build((None, None, 3), seed=0, backend="numba")
    found = lamina.inspect.explain(model, {"kind": "softmax_cross_entropy", "size": "mse", "state": None})
    assert found.planned
    assert set(rows_of(found)) == {"body", "first", "second", "kind_loss", "size_loss"}
    found = lamina.inspect.explain(model, ("dice", "mse", None))
    assert not found.planned
    assert rows_of(found)["output_0_loss"].startswith("by kernels: Dice")


def test_a_model_that_is_not_built_is_refused():
    with pytest.raises(lamina.errors.NotBuiltError):
        lamina.inspect.explain(lamina.Sequential(lamina.layers.Dense(2)))


def test_defaults_are_as_written_out(defaults):
    assert defaults(lamina.inspect.explain) == {"loss": None, "optimizer": None}


def test_an_explanation_is_the_same_when_it_is_read_back():
    found = lamina.inspect.explain(model_of("numpy", lamina.layers.GRU(4)), "mse")
    again = pickle.loads(pickle.dumps(found))
    assert (again, again.planned, again.rows) == (found, found.planned, found.rows)


class Pair(lamina.Composite):
    def __init__(self):
        self.first, self.second, self.head = lamina.layers.GRU(4), lamina.layers.LSTM(4), lamina.layers.Dense(2)

    def compose(self, t, x, y):
        return t(self.head, t(self.first, x) + t(self.second, y))


@pytest.mark.parametrize("steps", [(None, None), (5, None), (5, 5), (5, 7)])
def test_several_inputs_with_steps_are_planned_where_these_are_the_same(steps):
    pytest.importorskip("numba", reason="needs Numba: pip install -e '.[numba]'")
    model = Pair()
    model.build((None, steps[0], 3), (None, steps[1], 2), seed=0, backend="numba")
    found = lamina.inspect.explain(model, "mse")
    said = found.splitlines()[-1]
    assert found.planned is (steps != (5, 7))
    if found.planned:
        assert said.startswith("training steps are planned as one where inputs 0 and 1 have the same lengths and steps")
        assert "by kernels where these have lengths of their own" in said
    else:
        assert said.startswith("training steps run by kernels: inputs 0 and 1 differ in their steps")
