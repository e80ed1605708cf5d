"""Every layer, in every case of the registry, on every backend."""

import pytest

from lamina.testing.cases import layer_cases

CASES = layer_cases()

# What may be skipped, and why; anything else that is skipped is a hole in the proof.
EXPECTED = {
    "this is the generic kernel",
    "takes no lengths",
    "takes padding for data",
    "no time axis, or lengths=False",
    "not registered",
}


# The checks that these layers may ask to be left out: what they do in training is another thing by their nature.
MAY_ASK = {
    "Attention-everything": {"batch order", "inference"},
    "SelfAttention-dropout": {"batch order", "inference"},
    "BatchNorm": {"row alone", "inference"},
    "Dropout": {"batch order", "inference"},
    "RecurrentDropout": {"batch order", "inference"},
    "Sequential-dropout": {"row alone", "batch order", "inference"},
    **{
        name: {"row alone", "batch order", "inference"}
        for name in (
            *(
                "LSTM-dropout",
                "LSTM-dropout-projection",
                "GRU-dropout",
                "GRU-dropout-reset-before",
                "SimpleRNN-dropout",
            ),
            *("LayerNormLSTM-dropout", "LayerNormGRU-dropout", "Recurrent-stack-dropout"),
        )
    },
}


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_layer(case, backend, sound):
    report = sound(case, backend)
    asked = set(case.options.get("skip", ()))
    assert asked <= MAY_ASK.get(case.name, MAY_ASK.get(case.name.split("-")[0], set()))
    reasons = {reason for name, reason in report.skipped.items() if name not in asked}
    assert {reason.split(":")[0] for reason in reasons} <= EXPECTED, report
    assert report.worst_error < 1e-6
    if "SimpleRNN" in case.name and "Cell" not in case.name:  # nothing is left out where every check applies
        assert set(report.skipped) - asked <= {"generic kernel"}, report
