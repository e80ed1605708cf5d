"""``python -m benchmarks simple_rnn``, ``ctc`` or ``startup``: run one benchmark, side by side with its rivals."""

from __future__ import annotations

import argparse

from benchmarks import ctc, embedding, simple_rnn, startup

_BENCHMARKS = {"embedding": embedding.main, "ctc": ctc.main, "simple_rnn": simple_rnn.main, "startup": startup.main}


def main() -> None:
    """Run the benchmark named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Time Lamina beside its rivals.")
    parser.add_argument("benchmark", choices=_BENCHMARKS, nargs="?", default="simple_rnn")
    _BENCHMARKS[parser.parse_args().benchmark]()


if __name__ == "__main__":
    main()
