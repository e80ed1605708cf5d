"""The learning-rate schedules equal torch's, where it has the same."""

import numpy as np
import pytest

import lamina
from lamina.optimizers import (
    CosineDecay,
    Cyclic,
    ExponentialDecay,
    InverseTimeDecay,
    LinearDecay,
    LinearWarmup,
    MultiStepDecay,
    OneCycle,
    PiecewiseConstant,
    PolynomialDecay,
    ProductSchedule,
    ReduceOnPlateau,
    SequentialSchedule,
    StepDecay,
)

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install -e '.[parity]'")
pytestmark = pytest.mark.parity

RATE = 0.3
theirs = torch.optim.lr_scheduler


def warm(optimizer, duration, start, then):
    first = theirs.LinearLR(optimizer, start_factor=start, end_factor=1.0, total_iters=duration)
    return theirs.SequentialLR(optimizer, [first, then(optimizer)], milestones=[duration])


def in_turn(optimizer, milestones, *makes):
    return theirs.SequentialLR(optimizer, [make(optimizer) for make in makes], milestones=milestones)


def cyclic(optimizer, **settings):
    return theirs.CyclicLR(optimizer, 0.01, RATE, **settings, cycle_momentum=False)


def one_cycle(optimizer, duration, **settings):
    return theirs.OneCycleLR(optimizer, RATE, duration, **settings, cycle_momentum=False)


# Ours, torch's, and how many counts to compare.
CASES = {
    "StepDecay": (StepDecay(7, 0.3), lambda o: theirs.StepLR(o, 7, 0.3), 40),
    "MultiStepDecay": (MultiStepDecay([3, 4, 20], 0.5), lambda o: theirs.MultiStepLR(o, [3, 4, 20], 0.5), 40),
    "ExponentialDecay": (ExponentialDecay(0.9), lambda o: theirs.ExponentialLR(o, 0.9), 40),
    "LinearDecay": (LinearDecay(25), lambda o: theirs.PolynomialLR(o, 25, power=1.0), 40),
    "CosineDecay": (CosineDecay(30, 0.01), lambda o: theirs.CosineAnnealingLR(o, 30, eta_min=0.01), 30),
    "CosineDecay restarts": (
        CosineDecay(6, 0.01, restarts=True),
        lambda o: theirs.CosineAnnealingWarmRestarts(o, 6, eta_min=0.01),
        40,
    ),
    "CosineDecay growing": (
        CosineDecay(3, restarts=True, growth=2),
        lambda o: theirs.CosineAnnealingWarmRestarts(o, 3, T_mult=2),
        100,
    ),
    "LinearWarmup": (LinearWarmup(8, start=0.2), lambda o: theirs.LinearLR(o, 0.2, total_iters=8), 20),
    "LinearWarmup CosineDecay": (
        LinearWarmup(5, CosineDecay(30), start=0.1),
        lambda o: warm(o, 5, 0.1, lambda o: theirs.CosineAnnealingLR(o, 30)),
        35,
    ),
    "LinearWarmup StepDecay": (
        LinearWarmup(5, StepDecay(4, 0.5), start=0.1),
        lambda o: warm(o, 5, 0.1, lambda o: theirs.StepLR(o, 4, 0.5)),
        30,
    ),
    "ProductSchedule": (
        ProductSchedule(LinearWarmup(8, start=0.2), ExponentialDecay(0.9)),
        lambda o: theirs.ChainedScheduler([theirs.LinearLR(o, 0.2, total_iters=8), theirs.ExponentialLR(o, 0.9)]),
        30,
    ),
    "ProductSchedule of three": (
        ProductSchedule(StepDecay(3, 0.5), MultiStepDecay([4, 9], 0.3), LinearWarmup(5, start=0.5)),
        lambda o: theirs.ChainedScheduler(
            [theirs.StepLR(o, 3, 0.5), theirs.MultiStepLR(o, [4, 9], 0.3), theirs.LinearLR(o, 0.5, total_iters=5)]
        ),
        20,
    ),
    "PolynomialDecay": (PolynomialDecay(25, 2.5), lambda o: theirs.PolynomialLR(o, 25, power=2.5), 40),
    # Torch has these as functions of the user's.
    "InverseTimeDecay": (InverseTimeDecay(4, 0.5), lambda o: theirs.LambdaLR(o, lambda n: 1 / (1 + 0.125 * n)), 40),
    "PiecewiseConstant": (
        PiecewiseConstant([3, 9], [0.5, 2.0, 0.1]),
        lambda o: theirs.LambdaLR(o, lambda n: 0.5 if n < 3 else 2.0 if n < 9 else 0.1),
        20,
    ),
    "Cyclic": (Cyclic(4, floor=0.01), lambda o: cyclic(o, step_size_up=4), 40),
    "Cyclic uneven": (Cyclic(3, 8, floor=0.01), lambda o: cyclic(o, step_size_up=3, step_size_down=8), 40),
    "Cyclic halving": (
        Cyclic(3, 5, floor=0.01, mode="triangular2"),
        lambda o: cyclic(o, step_size_up=3, step_size_down=5, mode="triangular2"),
        60,
    ),
    "Cyclic fading": (
        Cyclic(4, floor=0.01, mode="exp_range", factor=0.97),
        lambda o: cyclic(o, step_size_up=4, mode="exp_range", gamma=0.97),
        60,
    ),
    "SequentialSchedule": (
        SequentialSchedule(LinearWarmup(5, start=0.1), CosineDecay(20), StepDecay(4, 0.5), milestones=[5, 25]),
        lambda o: in_turn(
            o,
            [5, 25],
            lambda o: theirs.LinearLR(o, 0.1, total_iters=5),
            lambda o: theirs.CosineAnnealingLR(o, 20),
            lambda o: theirs.StepLR(o, 4, 0.5),
        ),
        40,
    ),
    "OneCycle linear": (OneCycle(50, annealing="linear"), lambda o: one_cycle(o, 50, anneal_strategy="linear"), 49),
    "OneCycle of three phases": (OneCycle(50, three_phase=True), lambda o: one_cycle(o, 50, three_phase=True), 49),
    "OneCycle of three linear phases": (
        OneCycle(33, 0.37, 10.0, 1000.0, annealing="linear", three_phase=True),
        lambda o: one_cycle(
            o, 33, pct_start=0.37, div_factor=10.0, final_div_factor=100.0, anneal_strategy="linear", three_phase=True
        ),
        32,
    ),
    "OneCycle": (OneCycle(50), lambda o: theirs.OneCycleLR(o, RATE, 50, cycle_momentum=False), 49),
    "OneCycle options": (
        OneCycle(31, 0.45, first_divisor=10.0, last_divisor=1000.0),
        lambda o: theirs.OneCycleLR(
            o, RATE, 31, pct_start=0.45, div_factor=10.0, final_div_factor=100.0, cycle_momentum=False
        ),
        30,
    ),
}


def optimizers():
    layer = lamina.layers.Dense(1)
    layer.build((None, 1), seed=0)
    return (
        lamina.optimizers.SGD(layer.parameters(), RATE),
        torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], RATE),
    )


@pytest.mark.filterwarnings("ignore")  # torch's, of the order of its calls, and of its own SequentialLR
@pytest.mark.parametrize("name", CASES)
def test_schedule(equal, name):
    schedule, make, counts = CASES[name]
    ours, other = optimizers()
    scheduler = make(other)
    schedule.attach(ours)
    for count in range(counts + 1):
        expected = np.array(other.param_groups[0]["lr"])
        equal(name, np.array(ours.lr), expected, 1e-12)
        equal(name, np.array(schedule.rate(count, RATE)), expected, 1e-12)
        if count < counts:
            schedule.advance()
            other.step()
            scheduler.step()


@pytest.mark.parametrize("cooldown", [0, 3])
@pytest.mark.parametrize("mode", ["min", "max"])
def test_reduce_on_plateau(equal, mode, cooldown):
    ours, other = optimizers()
    schedule = ReduceOnPlateau(factor=0.5, patience=3, min_delta=0.05, cooldown=cooldown, floor=0.01)
    scheduler = theirs.ReduceLROnPlateau(
        other, mode, 0.5, 2, threshold=0.05, threshold_mode="abs", cooldown=cooldown, min_lr=0.01, eps=0.0
    )
    values = np.random.default_rng(0).standard_normal(60) - np.linspace(0, 1, 60)
    values[7] = np.nan
    for value in values:
        schedule.observe(ours, value, mode == "max")
        scheduler.step(value)
        equal("ReduceOnPlateau", np.array(ours.lr), np.array(other.param_groups[0]["lr"]), 1e-15)
    assert ours.lr == 0.01


BASES = {
    "warm-up": (LinearWarmup(8, start=0.2), lambda o: theirs.LinearLR(o, 0.2, total_iters=8)),
    "exponential": (ExponentialDecay(0.95), lambda o: theirs.ExponentialLR(o, 0.95)),
    "steps": (StepDecay(7, 0.3), lambda o: theirs.StepLR(o, 7, 0.3)),
    "milestones": (MultiStepDecay([3, 4, 20], 0.5), lambda o: theirs.MultiStepLR(o, [3, 4, 20], 0.5)),
    "product": (
        ProductSchedule(LinearWarmup(8, start=0.2), ExponentialDecay(0.95)),
        lambda o: theirs.ChainedScheduler([theirs.LinearLR(o, 0.2, total_iters=8), theirs.ExponentialLR(o, 0.95)]),
    ),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("ours_first", [True, False])
@pytest.mark.parametrize("name", BASES)
def test_a_schedule_and_a_plateau_together(equal, name, ours_first):
    schedule, make = BASES[name]
    ours, other = optimizers()
    plateau = ReduceOnPlateau(factor=0.5, patience=3, min_delta=0.05, cooldown=2)
    scheduler = make(other)
    reducing = theirs.ReduceLROnPlateau(other, "min", 0.5, 2, threshold=0.05, threshold_mode="abs", cooldown=2, eps=0.0)
    schedule.attach(ours)
    values = np.random.default_rng(0).standard_normal(40)
    for value in values:
        other.step()
        if ours_first:
            schedule.advance()
            plateau.observe(ours, value)
        else:
            plateau.observe(ours, value)
            schedule.advance()
        scheduler.step()
        reducing.step(value)
        equal(name, np.array(ours.lr), np.array(other.param_groups[0]["lr"]), 1e-12)
    assert ours.lr_factor < 0.1


@pytest.mark.parametrize("made", [(RATE, 0.01), (0.05, 0.01), (RATE, 0.2)])
def test_rates_of_groups_after_loading(equal, made):
    """Torch's groups keep in their state the rates that they had, whatever the new optimizer was made with."""

    def both(lr, rate):
        model = lamina.Sequential(lamina.layers.Dense(1), lamina.layers.Dense(1))
        model.build((None, 1), dtype="float64", seed=0)
        ours = lamina.optimizers.SGD(model.parameters(), lr, momentum=0.5, groups={"0.*": {"lr": rate}})
        weights = [torch.nn.Parameter(torch.tensor(np.array(one.data))) for one in model.parameters()]
        groups = [{"params": weights[:2], "lr": rate}, {"params": weights[2:]}]
        return model, ours, weights, torch.optim.SGD(groups, lr, momentum=0.5)

    def train(model, ours, weights, other, steps):
        for step in range(steps):
            for parameter, weight in zip(model.parameters(), weights, strict=True):
                grad = np.full(parameter.shape, 1.0 + step)
                parameter.grad, weight.grad = grad, torch.tensor(grad)
            ours.step()
            other.step()
        for parameter, weight in zip(model.parameters(), weights, strict=True):
            equal(parameter.name, parameter.data, weight.detach().numpy(), 1e-14)

    model, ours, weights, other = both(RATE, 0.01)
    train(model, ours, weights, other, 2)
    new_model, new_ours, new_weights, new_other = both(*made)
    new_model.load_state_dict(model.state_dict())
    for weight, old in zip(new_weights, weights, strict=True):
        weight.data = old.data.clone()
    new_ours.load_state_dict(ours.state_dict())
    new_other.load_state_dict(other.state_dict())
    train(new_model, new_ours, new_weights, new_other, 3)
