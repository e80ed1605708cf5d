"""The examples print what they promise."""

import runpy
from pathlib import Path

EXAMPLES = Path(__file__).parent.parent / "examples"


def test_notebook_prints_the_numbers_it_grew_from(capsys):
    runpy.run_path(str(EXAMPLES / "notebook.py"), run_name="__main__")
    assert capsys.readouterr().out.splitlines() == [
        "h_T = [[0.79494228 0.81839002 0.83939649 0.85584174]]",
        "loss at the start 0.6932, at the end 0.6931",
    ]
