"""Defaults equal PyTorch's, read from its constructors, wherever a setting is the same one there.

Where ours is another on purpose it is not listed: the rate of SGD, the padding of Conv1D and Conv1DTranspose, whether
AveragePool1D counts what is padded, the least change of ReduceOnPlateau, which is relative there.
"""

import inspect

import pytest

from lamina import layers, losses, optimizers
from lamina.initializers import Orthogonal

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install -e '.[parity]'")
pytestmark = pytest.mark.parity
nn, optim = torch.nn, torch.optim

MOMENTS = {"lr": "lr", "epsilon": "eps", "weight_decay": "weight_decay"}
NORM = {"epsilon": "eps", "use_scale": "affine", "momentum": "momentum"}
PLATEAU = {"factor": "factor", "patience": "patience", "cooldown": "cooldown", "floor": "min_lr"}
WINDOW = {"stride": "stride", "dilation": "dilation", "groups": "groups"}
# Ours, PyTorch's, and the names of the settings.
PAIRS = [
    (optimizers.SGD, optim.SGD, {"momentum": "momentum", "nesterov": "nesterov", "weight_decay": "weight_decay"}),
    (optimizers.Adam, optim.Adam, MOMENTS),
    (optimizers.AMSGrad, optim.Adam, MOMENTS),
    (optimizers.AdamW, optim.AdamW, MOMENTS),
    (optimizers.AdaGrad, optim.Adagrad, {**MOMENTS, "initial_accumulator": "initial_accumulator_value"}),
    (optimizers.AdaDelta, optim.Adadelta, {**MOMENTS, "decay": "rho"}),
    (optimizers.RMSprop, optim.RMSprop, {**MOMENTS, "decay": "alpha", "momentum": "momentum", "centered": "centered"}),
    (optimizers.NAdam, optim.NAdam, {**MOMENTS, "momentum_decay": "momentum_decay"}),
    (optimizers.RAdam, optim.RAdam, {**MOMENTS, "decoupled": "decoupled_weight_decay"}),
    (optimizers.Adamax, optim.Adamax, MOMENTS),
    (optimizers.Adafactor, optim.Adafactor, {"lr": "lr", "clip_threshold": "d", "weight_decay": "weight_decay"}),
    (optimizers.Muon, optim.Muon, {name: name for name in ("lr", "momentum", "nesterov", "weight_decay")}),
    (optimizers.LBFGS, optim.LBFGS, {"lr": "lr", "max_iterations": "max_iter", "max_evaluations": "max_eval"}),
    (optimizers.LBFGS, optim.LBFGS, {"gradient_tolerance": "tolerance_grad", "change_tolerance": "tolerance_change"}),
    (optimizers.Cyclic, optim.lr_scheduler.CyclicLR, {"fall": "step_size_down", "mode": "mode", "factor": "gamma"}),
    (optimizers.PolynomialDecay, optim.lr_scheduler.PolynomialLR, {"power": "power"}),
    (optimizers.OneCycle, optim.lr_scheduler.OneCycleLR, {"three_phase": "three_phase"}),
    (optimizers.OneCycle, optim.lr_scheduler.OneCycleLR, {"warmup": "pct_start", "first_divisor": "div_factor"}),
    (optimizers.StepDecay, optim.lr_scheduler.StepLR, {"factor": "gamma"}),
    (optimizers.MultiStepDecay, optim.lr_scheduler.MultiStepLR, {"factor": "gamma"}),
    (optimizers.CosineDecay, optim.lr_scheduler.CosineAnnealingWarmRestarts, {"floor": "eta_min", "growth": "T_mult"}),
    (optimizers.ReduceOnPlateau, optim.lr_scheduler.ReduceLROnPlateau, PLATEAU),
    (layers.BatchNorm, nn.BatchNorm1d, NORM),
    (layers.LayerNorm, nn.LayerNorm, {"epsilon": "eps", "use_scale": "elementwise_affine", "use_shift": "bias"}),
    (layers.GroupNorm, nn.GroupNorm, {"epsilon": "eps", "use_scale": "affine", "use_shift": "affine"}),
    (layers.RMSNorm, nn.RMSNorm, {"use_scale": "elementwise_affine"}),
    (layers.Softplus, nn.Softplus, {"beta": "beta"}),
    (layers.CELU, nn.CELU, {"alpha": "alpha"}),
    (layers.PReLU, nn.PReLU, {"slope_initializer": "init"}),
    (layers.Conv1D, nn.Conv1d, {"use_bias": "bias", **WINDOW}),
    (layers.Conv1DTranspose, nn.ConvTranspose1d, {"use_bias": "bias", "output_padding": "output_padding", **WINDOW}),
    (layers.Dense, nn.Linear, {"use_bias": "bias"}),
    (layers.SelfAttention, nn.MultiheadAttention, {"use_bias": "bias", "dropout": "dropout"}),
    (layers.Attention, nn.MultiheadAttention, {"use_bias": "bias", "dropout": "dropout"}),
    (layers.ELU, nn.ELU, {"alpha": "alpha"}),
    (layers.LeakyReLU, nn.LeakyReLU, {"slope": "negative_slope"}),
    (layers.GELU, nn.GELU, {"approximate": "approximate"}),
    (layers.MaxPool1D, nn.MaxPool1d, {"stride": "stride", "dilation": "dilation", "ceil": "ceil_mode"}),
    (layers.AveragePool1D, nn.AvgPool1d, {"stride": "stride", "ceil": "ceil_mode"}),
    (losses.CTC, nn.CTCLoss, {"blank": "blank", "zero_infinity": "zero_infinity"}),
    (losses.Huber, nn.HuberLoss, {"delta": "delta"}),
    (losses.CosineSimilarity, nn.CosineSimilarity, {"epsilon": "eps"}),
    (losses.SoftmaxCrossEntropy, nn.CrossEntropyLoss, {"label_smoothing": "label_smoothing", "class_weight": "weight"}),
    (losses.NegativeLogLikelihood, nn.NLLLoss, {"class_weight": "weight"}),
    (losses.BinaryCrossEntropy, nn.BCEWithLogitsLoss, {"positive_weight": "pos_weight"}),
    (Orthogonal, nn.init.orthogonal_, {"gain": "gain"}),
]


def default(function, name):
    return inspect.signature(function).parameters[name].default


@pytest.mark.parametrize(("ours", "theirs", "names"), PAIRS, ids=[one.__name__ for one, _, _ in PAIRS])
def test_equal_pytorchs(ours, theirs, names):
    found = {name: default(ours, name) for name in names}
    assert found == {name: default(theirs, other) for name, other in names.items()}


@pytest.mark.parametrize(
    "ours", [getattr(optimizers, name) for name in ("Adam", "AMSGrad", "AdamW", "NAdam", "RAdam", "Adamax")]
)
def test_both_moments_decay_as_in_pytorch(ours):
    assert (default(ours, "beta1"), default(ours, "beta2")) == default(optim.Adam, "betas")


def test_the_last_rate_of_one_cycle_is_pytorchs():
    """There it is a part of the first rate, here of the highest."""
    theirs = optim.lr_scheduler.OneCycleLR
    last = default(theirs, "div_factor") * default(theirs, "final_div_factor")
    assert default(optimizers.OneCycle, "last_divisor") == last
