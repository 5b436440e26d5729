"""What the peer.py of the folders share: the command line, and the time of a step.

usage: peer.py WORK --threads N [--repeats R]

Prints a JSON line {"peer", "work", "threads", "ms", "user_ms"}: ms the least over the repeats after a few to warm up,
user_ms the processor time of a repeat, likewise; of several forms of a work the least of all.
"""

import argparse
import json
import time

import torch


def least(step, repeats, warm):
    times, user = [], []
    for _ in range(repeats + warm):
        start, busy = time.perf_counter(), time.process_time()
        step()
        times.append(time.perf_counter() - start)
        user.append(time.process_time() - busy)
    return min(times[warm:]), min(user[warm:])


def main(works, repeats, warm=5):
    """works: of each name, a function that gives the steps of its forms."""
    parser = argparse.ArgumentParser()
    parser.add_argument("work", choices=works)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=repeats)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    ms, user = (round(1e3 * min(t), 4) for t in zip(*(least(s, args.repeats, warm) for s in works[args.work]())))
    print(json.dumps({"peer": "torch", "work": args.work, "threads": args.threads, "ms": ms, "user_ms": user}))
