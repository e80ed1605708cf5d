"""Random encoder-decoders: every one of them streams, with one of its inputs given whole."""

import re

import pytest

from lamina import Stream
from lamina.errors import StreamError
from lamina.testing.models import MODEL_RELATIONS
from lamina.testing.random_models import run
from lamina.testing.random_models.decoders import draw_decoder
from lamina.testing.random_models.description import Description
from lamina.testing.random_models.fragments import Pieces
from lamina.testing.random_models.graphs import Given, Kind
from tests.testing.random_models.test_windows import Drawn

SOURCE = Given("rng.normal(size=(4, 5, 3))", Kind(3, "a"), 0, 5)
TARGETS = [
    Given("rng.normal(size=(4, 3, 2))", Kind(2, "b"), 0, 3),
    Given("rng.integers(0, 5, (4, 4))", Kind(0, "b"), 5, 4),
    Given("rng.normal(size=(4, 2))", Kind(2)),
]


def drawn(seed: int) -> Description:
    choices = Drawn(seed)
    pieces, target = Pieces(choices), TARGETS[seed % 3]
    code, kinds, flags = draw_decoder(choices, pieces, [SOURCE, target])
    assert {"whole", "decoder"} <= flags
    assert all(kind.features for kind in kinds)
    lengths = "([5, 2, 0, 1], None)" if not target.kind.time else f"([5, 2, 0, 1], [3, 1, 2, {target.steps}])"
    return Description(code, (SOURCE.code, target.code), tuple(pieces.shared), lengths)


@pytest.mark.parametrize("seed", range(60))
def test_each_streams_as_the_stream_relation_demands(seed: int) -> None:
    description = drawn(seed)
    report = description.check(skip=set(MODEL_RELATIONS) - {"stream"})
    assert report.passed == ["stream"]
    model, inputs, _ = description.made()
    model.build(*[(None, None, *x.shape[2:]) if x.ndim > 2 or x.dtype.kind == "i" else (None, 2) for x in inputs])
    taken = []
    for whole in (0, 1):
        try:
            taken.append(Stream(model, whole))
        except StreamError as error:
            assert "cannot stream" in str(error)
    assert taken


def test_every_way_to_take_what_is_whole_occurs() -> None:
    text = "\n".join(str(drawn(seed)) for seed in range(200))
    for what in ("Attention(", "causal=True", "'a * v'", "'v - a'", "Add(broadcast=True)", "Recurrent(Averaging("):
        assert text.count(what) > 5, what
    assert len(re.findall(r"Graph\(\[Attention\([^\]]*\], \[\(0, 1, 0\)\]", text)) > 5
    for name in ("GRU", "SimpleRNN", "LSTM", "MinGRU", "MinLSTM", "IndRNN", "LayerNormGRU"):
        assert re.search(rf"{name}\(\d, return_sequences=True\)", text), name


def test_random_models_have_some() -> None:
    found = []
    run(
        400,
        seed=0,
        each=lambda description: found.append("stream" in description.can and "truncate" not in description.can),
    )
    assert sum(found) > 20
