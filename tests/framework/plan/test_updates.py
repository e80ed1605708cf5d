"""Updates of a plan: an optimizer's own, with settings by name, that follow whatever changes from step to step."""

import inspect

import numpy as np
import pytest

import lamina
from lamina.core.lowering import NotPlanned
from lamina.optimization.joint import JointOptimizer
from lamina.optimization.optimizer import Optimizer
from lamina.optimization.rule import one_kernel
from lamina.optimizers import SGD, Adam, AdamW, NAdam, RAdam, RMSprop
from lamina.plan.updates import Updates


class Recorded:
    """A step that runs kernels of the NumPy backend with what was set, and counts what was set."""

    def __init__(self, updates):
        self.calls = updates.calls
        self.values = [{} for _ in self.calls]
        self.count = 0

    def set(self, update, values):
        self.count += len(values)
        self.values[update].update(values)

    def run(self):
        backend = lamina.get_backend("numpy")
        for (kernel, arrays, names), values in zip(self.calls, self.values, strict=True):
            assert set(values) == set(names)
            if kernel.startswith("clip"):
                getattr(backend, kernel)(arrays, **values)
            else:
                getattr(backend, kernel)(*arrays, **values)


def model():
    made = lamina.Sequential(lamina.layers.SimpleRNN(4), lamina.layers.Dense(3), lamina.layers.Dense(2))
    made.build((None, None, 3), seed=0)
    return made


class Pair:
    """An optimizer, and another one whose steps are planned."""

    def __init__(self, make):
        self.models = model(), model()
        self.optimizer, self.planned = (make(one.parameters()) for one in self.models)
        self.updates = Updates(self.planned)
        self.plan = Recorded(self.updates)
        self.rng = np.random.default_rng(0)

    @property
    def both(self):
        return self.optimizer, self.planned

    def gradients(self):
        for one, other in zip(*(one.parameters() for one in self.models), strict=True):
            one.grad[...] = self.rng.normal(size=one.shape)
            other.grad[...] = one.grad

    def step(self, plan=None):
        self.gradients()
        self.optimizer.step()
        plan = plan or self.plan
        assert self.updates.refresh(plan)
        plan.run()
        self.same()

    def same(self):
        for one, other in zip(*(one.parameters() for one in self.models), strict=True):
            np.testing.assert_array_equal(other.data, one.data)
        assert self.planned.steps == self.optimizer.steps
        assert self.planned.lr == self.optimizer.lr


MAKES = {
    "SGD": SGD,
    "RMSprop": lambda p: RMSprop(p, centered=True, momentum=0.5),
    "Adam": Adam,
    "NAdam": NAdam,
    "RAdam": RAdam,
    "clipped": lambda p: Adam(p, clip_norm=0.5, clip_value=0.3),
    "groups": lambda p: AdamW(p, clip_norm=1.0, groups={"*.b": {"weight_decay": 0.0}, "0.*": {"lr": 0.1}}),
    "groups that compute": lambda p: NAdam(p, groups={"*.b": {"lr": 0.1}}),
}


@pytest.mark.parametrize("make", MAKES.values(), ids=MAKES)
def test_steps_are_the_optimizers_whatever_changes_between_them(make):
    pair = Pair(make)
    for step in range(20):
        for one in pair.both:
            if step % 5 == 1:
                one.lr = 0.0 if step == 6 else one.lr * 0.5 + 0.01
            if step == 8 and hasattr(one, "beta1"):
                one.beta1 = 0.5
            if step == 12 and one.clip_norm is not None:
                one.clip_norm = 0.01
            for member in one._members if step == 14 else ():
                member.weight_decay = 0.2
        pair.step()


def test_only_what_changed_is_set():
    pair = Pair(lambda p: SGD(p, momentum=0.9))
    pair.step()
    assert pair.plan.count == 4
    pair.step()
    assert pair.plan.count == 4
    for one in pair.both:
        one.lr = 0.5
    pair.step()
    assert pair.plan.count == 5
    counted = Pair(Adam)
    counted.step()
    counted.step()
    assert counted.plan.count == len(counted.plan.values[0]) + 1


def test_each_of_several_plans_has_all_settings():
    pair = Pair(Adam)
    other = Recorded(pair.updates)
    for step in range(9):
        for one in pair.both:
            one.lr = 0.01 * (1 + step // 2)
        pair.step(other if step % 3 == 1 else None)


def test_frozen_parameters_have_no_update():
    def make(parameters):
        parameters[3].trainable = parameters[1].trainable = False
        return Adam(parameters)

    pair = Pair(make)
    assert len(pair.updates.calls) == 3
    for _ in range(3):
        pair.step()


def test_a_joint_optimizer_is_its_members():
    def make(parameters):
        first, rest = list(parameters[:3]), list(parameters[3:])
        return JointOptimizer({"first": Adam(first, clip_norm=0.1), "rest": SGD(rest, lr=0.5, momentum=0.9)})

    pair = Pair(make)
    for step in range(6):
        for one in pair.both:
            if step == 3:
                one.lr = 0.002
        pair.step()
    for name in ("first", "rest"):
        assert pair.planned.members[name].steps == 6


def other_state(optimizer):
    optimizer.load_state_dict(optimizer.state_dict())


def clipping(optimizer):
    optimizer.clip_norm = None


def more_clipping(optimizer):
    optimizer.clip_value = 1.0


def own_attribute(optimizer):
    optimizer.decoupled = False


@pytest.mark.parametrize("change", [other_state, clipping, more_clipping, own_attribute])
def test_what_makes_other_updates_is_noticed(change):
    pair = Pair(lambda p: AdamW(p, clip_norm=1.0))
    pair.step()
    for one in pair.both:
        change(one)
    pair.gradients()
    assert not pair.updates.refresh(pair.plan)
    assert not pair.updates.stands
    assert pair.planned.steps == 1
    for one in pair.both:
        one.step()
    pair.same()
    pair.updates = Updates(pair.planned)
    pair.plan = Recorded(pair.updates)
    pair.step()
    assert pair.updates.stands


def test_a_step_that_was_not_made_is_taken_back():
    pair = Pair(MAKES["groups that compute"])
    pair.step()
    assert pair.updates.refresh(pair.plan)
    pair.updates.take_back()
    for _ in range(3):
        pair.step()


class Turned(Optimizer):
    """A rule that names its settings in an order of its own, and computes some."""

    def __init__(self, parameters, lr=0.1, *, factor=2.0, turned=False, **general):
        self.factor, self.turned = factor, turned
        super().__init__(parameters, lr, **general)

    def create_state(self, backend, data):
        return {"velocity": backend.zeros(data.shape, data.dtype)}

    @one_kernel
    def update(self, backend, data, grad, state):
        late = 0.5 if self.turned and self.steps > 3 else 0.25
        options = {"weight_decay": 0.01, "nesterov": True, "momentum": late, "lr": self.lr * self.factor}
        backend.sgd_update(data, grad, state["velocity"], **options)


@pytest.mark.parametrize("turned", [False, True])
def test_a_rule_of_ones_own_is_asked_in_every_step(turned):
    pair = Pair(lambda p: Turned(p, turned=turned))
    for step in range(8):
        for one in pair.both:
            one.factor = 1.0 + step // 4
        pair.step()


def test_a_table_is_left_to_the_optimizer_which_updates_its_rows():
    made = []
    for _ in range(2):
        one = lamina.Sequential(lamina.layers.Embedding(5, 3), lamina.layers.SimpleRNN(2))
        one.build((None, None), seed=0)
        made.append((one, Adam(one.parameters(), lr=0.1)))
    updates = Updates(made[1][1])
    plan = Recorded(updates)
    assert len(updates.calls) == 1
    for step in range(4):
        for one, _ in made:
            one.zero_grad()
            ids = np.array([[step, 1, step]])
            y, saved = one.forward(ids)
            one.backward(np.ones_like(y), saved)
        made[0][1].step()
        assert updates.refresh(plan)
        plan.run()
        updates.finish()
        for one, other in zip(*(model.parameters() for model, _ in made), strict=True):
            np.testing.assert_array_equal(other.data, one.data)
    with pytest.raises(NotPlanned, match="SGD clips gradients by rows"):
        Updates(SGD(made[0][0].parameters(), clip_norm=1.0))


def test_nothing_of_the_rule_is_changed_by_looking_at_it():
    made = NAdam(model().parameters())
    before = dict(vars(made))
    Updates(made)
    assert vars(made) == before


def test_every_method_that_a_plan_stands_for_is_looked_at():
    source = inspect.getsource(Optimizer.step)
    for name in ("_clip", "_follow", "_follow_moves"):
        assert f"{name}(" in source
