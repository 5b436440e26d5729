#!/usr/bin/python3
"""The step of a generative moment matching network: dgm against PyTorch, in turns in one run.

usage: run.py DGM [--python PYTHON] [--rounds 3] [--threads 1 2]

PYTHON has torch: python3 -m venv V && V/bin/pip install torch.  Prints a table of the least times over the
rounds, in ms: of the clock, and of the processor, which other work on the machine disturbs less.
dgm's times are differences between a short and a long run, so that reading and compiling do not count.
"""

import argparse
import collections
import json
import os
import resource
import subprocess
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
UPDATES_AN_EPOCH, SHORT, LONG = 5, 1, 5
PEER_ENV = {
    "MALLOC_MMAP_THRESHOLD_": "1073741824",
    "MALLOC_TRIM_THRESHOLD_": "8589934592",
    "MALLOC_TOP_PAD_": "268435456",
}
UNSET = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def timed(command):
    user = lambda: resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    start, busy = time.perf_counter(), user()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start, user() - busy


def dgm(tool, threads):
    with tempfile.TemporaryDirectory() as out:
        run = [tool, "run", os.path.join(HERE, "gmmn.dgm"), "--quiet", "--out", out, "--threads", str(threads)]
        short, long = (timed(run + ["--set", "epochs=%d" % n]) for n in (SHORT, LONG))
    return [1e3 * (l - s) / (UPDATES_AN_EPOCH * (LONG - SHORT)) for s, l in zip(short, long)]


def torch(python, form, threads):
    env = {k: v for k, v in os.environ.items() if k not in UNSET}
    env.update(PEER_ENV, OMP_NUM_THREADS=str(threads))
    command = [python, os.path.join(HERE, "peer.py"), form, "--threads", str(threads)]
    line = json.loads(subprocess.run(command, check=True, env=env, capture_output=True).stdout)
    return line["ms"], line["user_ms"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("dgm")
    parser.add_argument("--python", default="python3")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    args = parser.parse_args()
    best = collections.defaultdict(lambda: (1e9, 1e9))
    who = {
        "torch, autograd": lambda threads: torch(args.python, "autograd", threads),
        "torch, by hand": lambda threads: torch(args.python, "hand", threads),
        "dgm": lambda threads: dgm(args.dgm, threads),
    }
    for _ in range(args.rounds):
        for threads in args.threads:
            for name, measure in who.items():
                best[name, threads] = tuple(map(min, best[name, threads], measure(threads)))
    print("load %.1f" % os.getloadavg()[0])
    print("| threads | time of | %s | dgm / best of torch |" % " | ".join(who))
    print("| --- " * (3 + len(who)) + "|")
    for threads in args.threads:
        for i, clock in enumerate(("clock", "processor")):
            t = [best[name, threads][i] for name in who]
            print("| %d | %s | %s | %.2f |" % (threads, clock, " | ".join("%.1f" % x for x in t), t[-1] / min(t[:-1])))


if __name__ == "__main__":
    main()
