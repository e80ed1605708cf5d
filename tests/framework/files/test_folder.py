"""A folder that one process at a time writes to."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lamina.errors import OutputError
from lamina.files.folder import locked_folder

HOLDING = """
import sys
from lamina.files.folder import locked_folder
with locked_folder(sys.argv[1]):
    print("locked", flush=True)
    sys.stdin.readline()
"""


def test_it_is_made_and_locked_against_this_process_and_others(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    refused = pytest.raises(OutputError, match="another run writes its checkpoints there")
    with locked_folder(folder), refused, locked_folder(folder):
        pass
    with locked_folder(folder):  # given up
        pass
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDING, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout is not None and holder.stdout.readline() == "locked\n"
        with pytest.raises(OutputError, match="another run"), locked_folder(folder):
            pass
    finally:
        holder.kill()
        holder.communicate()
    with locked_folder(folder):  # the system gave it up for the one that was killed
        pass


def test_what_killed_processes_left_is_cleared_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / ".lamina-x1y2").write_text("half")
    (tmp_path / "mine").write_text("whole")
    with locked_folder(tmp_path):
        assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "mine"]


def test_a_file_in_its_place_and_a_name_that_none_can_have_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "below", "a\0b", tmp_path / ("x" * 300)):
        with pytest.raises(OutputError, match="cannot write"), locked_folder(path):
            pass


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="an administrator may write anywhere")
def test_a_folder_that_cannot_be_written_to_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="cannot write"), locked_folder(tmp_path):
        pass
