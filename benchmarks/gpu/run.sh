#!/usr/bin/env bash
# One run on a machine that has an NVIDIA GPU for some minutes: makes an environment, then measures.
#
#     bash benchmarks/gpu/run.sh                         what is found lies in runs/gpu and benchmarks/results
#     bash benchmarks/gpu/run.sh --budget 300            options go to `python -m benchmarks gpu`; see its --help
#     PYTHON=python3.12 bash benchmarks/gpu/run.sh       a Python that has CuPy is taken as it is
#     bash benchmarks/gpu/run.sh --rehearse              without a GPU: everything but the figures
#
# Where $PYTHON has no CuPy, it and PyTorch are installed into runs/gpu-venv, for the CUDA that the driver can run: a
# few GB, which count towards no budget. Where that fails, as without a network, what is installed must do.
set -euo pipefail
cd "$(dirname "$0")/../.."
python=${PYTHON:-python3}

imports() { "$1" -c "import importlib, sys; [importlib.import_module(name) for name in sys.argv[1:]]" "${@:2}" 2>/dev/null; }
says() { printf '== %s\n' "$*"; }

install() {
    local release extra venv=runs/gpu-venv
    release=$(nvidia-smi | sed -n 's/.*CUDA Version: *\([0-9]*\).*/\1/p' | head -1)
    [ -n "$release" ] || { says "nvidia-smi names no CUDA: nothing is installed"; return 1; }
    [ "$release" -ge 13 ] && extra=cuda13x || extra=cuda12x
    says "the driver runs CUDA $release: installing '.[test,$extra]', torch and pytest-xdist into $venv"
    "$python" -m venv "$venv" &&
        "$venv/bin/pip" install --quiet --retries 1 --timeout 20 -e ".[test,$extra]" torch pytest-xdist &&
        python=$venv/bin/python
}

case " $* " in
    *" --rehearse "*) ;;
    *) if ! imports "$python" cupy numpy safetensors tqdm; then
           install || says "no environment could be made: going on with what $python has"
       fi
       for name in torch pytest xdist hypothesis; do
           imports "$python" "$name" || says "not there: $name; what needs it is left out, or slower"
       done ;;
esac

# Lamina is taken from this checkout, also where it cannot be installed.
if ! "$python" -c 'import os, sys, lamina; sys.exit(not os.path.samefile(lamina.__file__, "framework/__init__.py"))' \
    2>/dev/null; then
    says "lamina is not installed from here: linked into runs/linked"
    mkdir -p runs/linked/lamina
    ln -sfn "$PWD"/framework/* "$PWD"/layers "$PWD"/optimizers "$PWD"/backends runs/linked/lamina/
    export PYTHONPATH="$PWD/runs/linked${PYTHONPATH:+:$PYTHONPATH}"
fi

exec "$python" -m benchmarks gpu "$@"
