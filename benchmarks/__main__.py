"""``python -m benchmarks NAME``: run one benchmark, side by side with its rivals."""

from __future__ import annotations

import argparse

from benchmarks import ctc, embedding, recurrent, simple_rnn, startup

_BENCHMARKS = {
    "ctc": ctc.main,
    "embedding": embedding.main,
    "recurrent": recurrent.main,
    "simple_rnn": simple_rnn.main,
    "startup": startup.main,
}


def main() -> None:
    """Run the benchmark named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Time Lamina beside its rivals.")
    parser.add_argument("benchmark", choices=_BENCHMARKS, nargs="?", default="simple_rnn")
    _BENCHMARKS[parser.parse_args().benchmark]()


if __name__ == "__main__":
    main()
