"""The cases of the optimizers."""

from __future__ import annotations

from lamina.optimizers import (
    LBFGS,
    SGD,
    AdaDelta,
    Adafactor,
    AdaGrad,
    Adam,
    Adamax,
    AdamW,
    AMSGrad,
    Lion,
    Lookahead,
    Muon,
    NAdam,
    RAdam,
    RMSprop,
)
from lamina.testing.cases.case import OptimizerCase

__all__ = ["optimizer_cases"]

# Patterns of names, some of which match the same parameters: a rate of its own, and options that need other state.
# They are written for the models of `check_optimizer` and for a Dense layer, whose parameters are w and b.
_RATES = {"*[w01]": {"lr": 0.03}, "*[b3]": {"weight_decay": 0.0}}
_MOMENTA = {"*[w1]": {"momentum": 0.0}, "w*": {"weight_decay": 0.01}, "*[b2]": {"lr": 0.05, "momentum": 0.5}}


def optimizer_cases() -> tuple[OptimizerCase, ...]:
    """Return the cases of all optimizers."""
    return (
        OptimizerCase("SGD", SGD),
        OptimizerCase("SGD-weight-decay", lambda p: SGD(p, lr=0.1, weight_decay=0.01)),
        OptimizerCase("SGD-momentum", lambda p: SGD(p, lr=0.1, momentum=0.9)),
        OptimizerCase("SGD-nesterov", lambda p: SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01)),
        OptimizerCase("SGD-clipped", lambda p: SGD(p, lr=0.1, clip_norm=1.0, clip_value=0.5)),
        OptimizerCase("AdaGrad", AdaGrad),
        OptimizerCase("AdaGrad-options", lambda p: AdaGrad(p, lr=0.1, initial_accumulator=0.1, weight_decay=0.01)),
        OptimizerCase("AdaGrad-clipped", lambda p: AdaGrad(p, lr=0.1, epsilon=1e-8, clip_norm=1.0)),
        OptimizerCase("RMSprop", RMSprop),
        OptimizerCase("RMSprop-centered", lambda p: RMSprop(p, lr=0.003, centered=True, weight_decay=0.01)),
        OptimizerCase("RMSprop-momentum", lambda p: RMSprop(p, lr=0.003, decay=0.9, epsilon=1e-6, momentum=0.5)),
        OptimizerCase("RMSprop-everything", lambda p: RMSprop(p, lr=0.003, centered=True, momentum=0.5, clip_norm=2.0)),
        OptimizerCase("AdaDelta", AdaDelta),
        OptimizerCase("AdaDelta-options", lambda p: AdaDelta(p, lr=0.5, decay=0.95, epsilon=1e-4, weight_decay=0.01)),
        OptimizerCase("Adam", Adam),
        OptimizerCase("Adam-options", lambda p: Adam(p, 0.01, beta1=0.8, beta2=0.99, epsilon=1e-6, weight_decay=0.01)),
        OptimizerCase("Adam-clipped", lambda p: Adam(p, lr=0.01, clip_norm=1.0, clip_value=0.5)),
        OptimizerCase("AMSGrad", AMSGrad),
        OptimizerCase("AMSGrad-options", lambda p: AMSGrad(p, lr=0.01, beta2=0.9, weight_decay=0.01)),
        OptimizerCase("AMSGrad-decoupled", lambda p: AMSGrad(p, lr=0.01, weight_decay=0.1, decoupled=True)),
        OptimizerCase("AdamW", AdamW),
        OptimizerCase("AdamW-options", lambda p: AdamW(p, lr=0.01, beta1=0.8, beta2=0.99, weight_decay=0.1)),
        OptimizerCase("NAdam", NAdam),
        OptimizerCase("NAdam-options", lambda p: NAdam(p, 0.01, beta1=0.8, momentum_decay=0.1, weight_decay=0.01)),
        OptimizerCase("NAdam-decoupled", lambda p: NAdam(p, lr=0.01, weight_decay=0.1, decoupled=True, clip_norm=2.0)),
        OptimizerCase("NAdam-groups", lambda p: NAdam(p, lr=0.01, groups={**_RATES, "*[w1]": {"beta1": 0.5}})),
        OptimizerCase("RAdam", lambda p: RAdam(p, lr=0.01)),
        OptimizerCase("RAdam-options", lambda p: RAdam(p, 0.01, beta1=0.8, beta2=0.9, epsilon=1e-6, weight_decay=0.01)),
        OptimizerCase("RAdam-decoupled", lambda p: RAdam(p, lr=0.01, beta2=0.9, weight_decay=0.1, decoupled=True)),
        OptimizerCase("RAdam-groups", lambda p: RAdam(p, lr=0.01, beta2=0.9, groups=_RATES)),
        OptimizerCase("Adamax", Adamax),
        OptimizerCase(
            "Adamax-options", lambda p: Adamax(p, 0.01, beta1=0.8, beta2=0.9, epsilon=1e-6, weight_decay=0.01)
        ),
        OptimizerCase("Adamax-groups", lambda p: Adamax(p, lr=0.01, clip_norm=1.0, groups=_RATES)),
        OptimizerCase("Lion", lambda p: Lion(p, lr=0.001)),
        OptimizerCase("Lion-options", lambda p: Lion(p, lr=0.002, beta1=0.8, beta2=0.9, weight_decay=0.1)),
        OptimizerCase("Lion-groups", lambda p: Lion(p, lr=0.002, clip_value=0.5, groups=_RATES)),
        OptimizerCase("Adafactor", Adafactor),
        OptimizerCase("Adafactor-moment", lambda p: Adafactor(p, beta1=0.9, clip_threshold=None, weight_decay=0.01)),
        OptimizerCase("Adafactor-rate", lambda p: Adafactor(p, lr=0.003, relative_step=False, epsilon=1e-6)),
        OptimizerCase("Adafactor-groups", lambda p: Adafactor(p, clip_norm=1.0, groups=_RATES)),
        OptimizerCase("Muon", lambda p: Muon(p, lr=0.003)),
        OptimizerCase("Muon-options", lambda p: Muon(p, lr=0.003, nesterov=False, iterations=3, adjust="original")),
        OptimizerCase("Muon-groups", lambda p: Muon(p, lr=0.003, groups={**_RATES, "*[w1]": {"orthogonalize": False}})),
        OptimizerCase("LBFGS", LBFGS),
        OptimizerCase("LBFGS-fixed", lambda p: LBFGS(p, lr=0.5, max_iterations=2, history=3, line_search=None)),
        OptimizerCase("Lookahead", lambda p: Lookahead(SGD(p, lr=0.1, momentum=0.9))),
        OptimizerCase("Lookahead-groups", lambda p: Lookahead(AdamW(p, lr=0.01, groups=_RATES), period=2, share=0.8)),
        OptimizerCase("Lookahead-LBFGS", lambda p: Lookahead(LBFGS(p, max_iterations=2), period=3)),
        OptimizerCase("AdamW-groups", lambda p: AdamW(p, lr=0.01, groups=_RATES)),
        OptimizerCase("SGD-groups", lambda p: SGD(p, lr=0.1, momentum=0.9, groups=_MOMENTA)),
        OptimizerCase("SGD-groups-clipped", lambda p: SGD(p, lr=0.1, clip_norm=1.0, groups=_RATES)),
    )
