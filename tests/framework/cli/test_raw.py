import numpy as np
import pytest

from lamina.cli.raw import as_labels, fill


def test_rows_are_filled_up() -> None:
    x, lengths = fill([np.ones((2, 1)), np.full((3, 1), 2.0)])
    assert x.tolist() == [[[1], [1], [0]], [[2], [2], [2]]]
    assert lengths is not None and lengths.tolist() == [2, 3]
    assert fill([np.ones((2, 1)), np.ones((2, 1))])[1] is None


@pytest.mark.parametrize(
    ("texts", "labels", "kind"),
    [
        (["3", "-1", "+2"], [3, -1, 2], "i"),
        (["18446744073709551615", "18446744073709551614"], [2**64 - 1, 2**64 - 2], "u"),
        (["9007199254740993", "9007199254740992"], [2**53 + 1, 2**53], "i"),
        (["18446744073709551616", "1"], ["18446744073709551616", "1"], "U"),
        (["1", "b"], ["1", "b"], "U"),
        (["1.0", "2"], ["1.0", "2"], "U"),
        ([], [], "U"),
    ],
)
def test_whole_numbers_stay_whole(texts: list[str], labels: list[object], kind: str) -> None:
    found = as_labels(texts)
    assert found.dtype.kind == kind and found.tolist() == labels
