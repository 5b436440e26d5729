#!/usr/bin/python3
"""The works of a folder: dgm against PyTorch, in turns in one run.

usage: race.py FOLDER DGM [--python PYTHON] [--rounds 5] [--threads 1 2] [--works WORK...]

FOLDER has WORK.dgm for each work, and peer.py, which does them with PyTorch.

PYTHON has torch: python3 -m venv V && V/bin/pip install torch.  Prints a table of the least times over the
rounds, in ms: of the clock, and of the processor, which other work on the machine disturbs less.
dgm's times are differences between a short and a long run, so that reading and compiling do not count.
Pages that malloc returns and takes back, kernels for an older CPU and a second pool of threads would halve
torch's speed: the environment is set against them.
"""

import argparse
import collections
import json
import os
import resource
import subprocess
import tempfile
import time

FOLDERS = {  # of each work: what is lengthened, from, to, units of work in one of it
    "dbm": {"dbm": ("epochs", 1, 3, 60), "gibbs": ("steps", 50, 250, 1)},
    "gmmn": {"gmmn": ("epochs", 1, 5, 5)},
    "vae": {"vae": ("epochs", 1, 6, 60), "made": ("epochs", 1, 6, 60), "conv": ("epochs", 1, 6, 20)},
}
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


def dgm(folder, tool, work, threads):
    what, short, long, units = FOLDERS[os.path.basename(folder)][work]
    with tempfile.TemporaryDirectory() as out:
        t = []
        for n in short, long:
            command = [tool, "run", os.path.join(folder, work + ".dgm"), "--quiet", "--out", out]
            t.append(timed(command + ["--threads", str(threads), "--set", "%s=%d" % (what, n)]))
    return [1e3 * (l - s) / (units * (long - short)) for s, l in zip(*t)]


def torch(folder, python, work, threads):
    env = {k: v for k, v in os.environ.items() if k not in UNSET}
    env.update(PEER_ENV, OMP_NUM_THREADS=str(threads))
    command = [python, os.path.join(folder, "peer.py"), work, "--threads", str(threads)]
    line = json.loads(subprocess.run(command, check=True, env=env, capture_output=True).stdout)
    return line["ms"], line["user_ms"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("dgm")
    parser.add_argument("--python", default="python3")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--works", nargs="+")
    args = parser.parse_args()
    folder = os.path.abspath(args.folder)
    works = args.works or list(FOLDERS[os.path.basename(folder)])
    best = collections.defaultdict(lambda: (1e9, 1e9))
    for _ in range(args.rounds):
        for threads in args.threads:
            for work in works:
                for who, t in (
                    ("torch", torch(folder, args.python, work, threads)),
                    ("dgm", dgm(folder, args.dgm, work, threads)),
                ):
                    key = work, threads, who
                    best[key] = tuple(map(min, best[key], t))
    print("load %.1f" % os.getloadavg()[0])
    print("| work | threads | torch | dgm | dgm / torch | processor: torch | dgm | dgm / torch |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for work in works:
        for threads in args.threads:
            t, d = best[work, threads, "torch"], best[work, threads, "dgm"]
            cells = ["%.2f" % x for i in range(2) for x in (t[i], d[i], d[i] / t[i])]
            print("| " + " | ".join([work, str(threads)] + cells) + " |")


if __name__ == "__main__":
    main()
