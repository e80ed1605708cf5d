"""Processes: a child that is forked while threads compute, and work sent to others in every way that Python has."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")


def run(tmp_path: Path, script: str, timeout: float = 120) -> str:
    """Run a script in a process of its own, and return what it printed."""
    path = tmp_path / "script.py"
    path.write_text(textwrap.dedent(script), encoding="utf-8")
    environment = {**os.environ, "PYTHONWARNINGS": "ignore::DeprecationWarning"}  # that there are threads, at a fork
    done = subprocess.run(
        [sys.executable, str(path)], capture_output=True, text=True, timeout=timeout, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# What a child does, with an alarm in case it hangs.
CHILD = """
import os, signal, sys, threading, warnings

def in_child(work):
    child = os.fork()
    if not child:
        try:
            signal.alarm(20)
            work()
        except BaseException as error:
            print("in the child:", repr(error), file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert status == 0, f"the child ended with {status}"
"""


@needs_fork
def test_every_lock_of_ours_is_free_in_a_child(tmp_path: Path) -> None:
    output = run(
        tmp_path,
        CHILD
        + textwrap.dedent(
            """
            import gc
            import numpy as np
            import lamina, lamina.backends.numpy.memory
            from lamina.layers import Dense, Dropout, GRU

            model = lamina.Sequential(GRU(4, return_sequences=True), Dropout(0.5), Dense(2))
            model.build((None, None, 3), seed=0)
            x = np.ones((2, 5, 3), "float32")
            KINDS = (type(threading.Lock()), type(threading.RLock()))

            def locks():
                found = {}
                for name, module in list(sys.modules.items()):
                    if name.partition(".")[0] == "lamina":
                        found |= {(name, key): one for key, one in vars(module).items() if isinstance(one, KINDS)}
                for one in gc.get_objects():
                    cls = one if isinstance(one, type) else type(one)
                    if str(cls.__module__).partition(".")[0] == "lamina":
                        for key, value in list(getattr(one, "__dict__", {}).items()):
                            if isinstance(value, KINDS):
                                found[cls.__name__, id(one), key] = value
                return found

            held, done = threading.Event(), threading.Event()

            def hold():
                for lock in {id(lock): lock for lock in locks().values()}.values():
                    lock.acquire()
                held.set()
                done.wait()

            threading.Thread(target=hold, daemon=True).start()
            assert held.wait(20)
            before = locks()

            def work():
                for key, lock in locks().items():
                    assert lock.acquire(timeout=2), key
                    lock.release()
                y, saved = model.forward(x)
                model.backward(y, saved)
                lamina.get_backend("reference")
                assert model.parameters()[0].grad.any()

            in_child(work)
            done.set()
            print(len(before))
            """
        ),
    )
    assert int(output) >= 5  # additions, draws, registry, threads, and each memory


@needs_fork
def test_children_of_a_process_that_trains_in_a_thread_train_as_it_does(tmp_path: Path) -> None:
    run(
        tmp_path,
        CHILD
        + textwrap.dedent(
            """
            import copy
            import numpy as np
            import lamina
            from lamina.layers import Dense, Dropout, Embedding, GRU

            def make():
                model = lamina.Sequential(Embedding(30, 8), GRU(16), Dropout(0.5), Dense(2))
                model.build((None, None), seed=0, dtype="float64")
                return model

            ids, y = np.arange(120).reshape(8, 15) % 30, np.arange(8) % 2

            def weights():
                model = make()
                trainer = lamina.Trainer(model, optimizer="adam")
                trainer.fit(ids, y, epochs=2, batch_size=4, verbose=False)
                return model.state_dict()

            expected, stop = weights(), threading.Event()

            def train():
                while not stop.is_set():
                    weights()

            worker = threading.Thread(target=train)
            worker.start()

            def work():
                for name, values in weights().items():
                    np.testing.assert_allclose(values, expected[name], rtol=1e-9, atol=1e-12)

            try:
                for _ in range(12):
                    in_child(work)
            finally:
                stop.set()
                worker.join()
            """
        ),
    )


@needs_fork
@pytest.mark.parametrize("inside", ["products_on_one_thread", "own_threads"])
def test_a_child_counts_the_thread_that_forked_alone(tmp_path: Path, inside: str) -> None:
    run(
        tmp_path,
        CHILD
        + textwrap.dedent(
            f"""
            import lamina
            from lamina.backends.numpy import threads
            from lamina.backends.numpy.threads import {inside} as block, threads_of_products

            functions = threads._openblas()
            if functions is None:
                sys.exit(0)
            get, set_to = functions
            set_to(2)
            entered, leaves = threading.Event(), threading.Event()

            def other():
                with block():
                    entered.set()
                    leaves.wait()

            worker = threading.Thread(target=other)
            worker.start()
            entered.wait()
            assert get() == 1

            def work():
                assert (get(), threads_of_products()) == (2, 2), (get(), threads_of_products())
                with block():
                    assert get() == 1
                assert get() == 2

            in_child(work)
            assert get() == 1
            with block():
                # The thread that forks is in the block too: it leaves it in the child as in the parent.
                child = os.fork()
                if child:
                    _, status = os.waitpid(child, 0)
                    assert status == 0, status
            if not child:
                os._exit(0 if get() == 2 and threads_of_products() == 2 else 7)
            leaves.set()
            worker.join()
            assert get() == 2
            """
        ),
    )


@needs_fork
def test_a_fork_inside_a_backward_goes_on_in_both(tmp_path: Path) -> None:
    run(
        tmp_path,
        CHILD
        + textwrap.dedent(
            """
            import numpy as np
            import lamina

            class Forks(lamina.Layer):
                def build(self, shape):
                    self.w = lamina.Parameter(())
                    return shape

                def forward(self, x):
                    return x, None

                def backward(self, dy, saved):
                    self.w.grad += 1
                    self.child = os.fork()
                    self.w.grad += 1
                    return dy

            model = Forks()
            model.build((None, 2), seed=0)
            x = np.ones((1, 2), "float32")
            model.backward(x, model.forward(x)[1])
            if not model.child:
                signal.alarm(20)
            found = []
            worker = threading.Thread(target=lambda: found.append(lamina.core.additions.addition_lock().acquire()))
            import lamina.core.additions
            worker.start()
            worker.join(10)
            ok = found == [True] and float(model.w.grad) == 2
            if not model.child:
                os._exit(0 if ok else 3)
            _, status = os.waitpid(model.child, 0)
            assert ok and status == 0, (ok, status)
            """
        ),
    )


# Work that is sent to other processes: a model and rows go there, gradients and outputs come back.
JOBS = """
import multiprocessing, sys, threading
from concurrent.futures import ProcessPoolExecutor
import numpy as np
import lamina
from lamina.layers import Dense, Dropout, Embedding, GRU

def make():
    model = lamina.Sequential(Embedding(30, 6), GRU(8), Dropout(0.0), Dense(2))
    model.build((None, None), seed=0, dtype="float64")
    return model

BATCHES = [np.random.default_rng(seed).integers(0, 30, (4, 5)) for seed in range(4)]

def job(model_and_ids):
    model, ids = model_and_ids
    y, saved = model.forward(ids)
    model.backward(np.cos(y), saved)
    return y, {name: one.grad for name, one in model.named_parameters().items()}, model

def check(results, model):
    total = {name: sum(gradients[name] for _, gradients, _ in results) for name in model.named_parameters()}
    for ids, (y, _, back) in zip(BATCHES, results):
        np.testing.assert_allclose(y, model(ids), rtol=1e-12, atol=1e-14)
        assert len({id(one.storage) for one in back.parameters()}) == 1
        np.testing.assert_allclose(back(ids), y, rtol=1e-12, atol=1e-14)
    for ids in BATCHES:  # all in one thread, and one model
        y, saved = model.forward(ids)
        model.backward(np.cos(y), saved)
    for name, one in model.named_parameters().items():
        np.testing.assert_allclose(total[name], one.grad, rtol=1e-11, atol=1e-13)
"""


@pytest.mark.parametrize("way", ["fork", "spawn", "forkserver"])
def test_processes_of_every_kind_give_what_one_does(tmp_path: Path, way: str) -> None:
    import multiprocessing

    if way not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system has no {way}")
    run(
        tmp_path,
        JOBS
        + textwrap.dedent(
            f"""
            if __name__ == "__main__":
                model, stop = make(), threading.Event()
                job((make(), BATCHES[0]))
                busy = make()

                def compute():  # while the others are started
                    while not stop.is_set():
                        job((busy, BATCHES[0]))

                worker = threading.Thread(target=compute)
                worker.start()
                try:
                    with ProcessPoolExecutor(2, multiprocessing.get_context({way!r})) as pool:
                        results = list(pool.map(job, [(model, ids) for ids in BATCHES], timeout=90))
                finally:
                    stop.set()
                    worker.join()
                check(results, model)
            """
        ),
    )


def test_processes_of_joblib_give_what_one_does(tmp_path: Path) -> None:
    pytest.importorskip("joblib")
    run(
        tmp_path,
        JOBS
        + textwrap.dedent(
            """
            if __name__ == "__main__":
                import joblib
                model = make()
                for backend in ("loky", "multiprocessing", "threading"):
                    parallel = joblib.Parallel(n_jobs=2, backend=backend)
                    # Threads would add to one gradient: each gets a model of its own.
                    import copy
                    results = parallel(joblib.delayed(job)((copy.deepcopy(make()), ids)) for ids in BATCHES)
                    check(results, make())
            """
        ),
    )


def test_what_is_to_be_renewed_is_returned_as_it_is() -> None:
    from lamina.backends.forking import after_fork

    def renew() -> Any:
        return None

    assert after_fork(renew) is renew
