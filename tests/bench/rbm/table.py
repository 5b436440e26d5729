#!/usr/bin/python3
"""The table of run.sh from its JSON lines: medians over the rounds, in ms an update.

floor: the five dense products of an update, 2*100*784*500 flops each, at the measured multiply-add peak.
ratio: best peer / dgm.  floor/dgm: the share of the floor that dgm reaches; above 100 % where products
with binary units are sums and counts instead.
"""

import collections
import json
import statistics
import sys

FLOPS = 5 * 2 * 100 * 784 * 500
PEERS = ("numpy", "torch", "sklearn")


def main():
    ms, peak = collections.defaultdict(list), collections.defaultdict(list)
    with open(sys.argv[1]) as f:
        for line in map(json.loads, f):
            if "peak_gflops" in line:
                peak[line["threads"]].append(line["peak_gflops"])
            else:
                ms[line["objective"], line["threads"], line["peer"]].append(line["ms"])
    median = {key: statistics.median(values) for key, values in ms.items()}
    show = lambda value, form: form % value if value else "-"
    print("| update | threads | " + " | ".join(PEERS) + " | dgm | best peer / dgm | floor | floor / dgm |")
    print("| --- " * (7 + len(PEERS) - 1) + "|")
    for objective, threads in sorted({key[:2] for key in median}):
        peers = [median.get((objective, threads, name)) for name in PEERS]
        best, dgm = min(filter(None, peers), default=None), median.get((objective, threads, "dgm"))
        floor = FLOPS / statistics.median(peak[threads]) / 1e6 if peak[threads] else None
        cells = [objective, str(threads)] + [show(value, "%.2f") for value in peers] + [
            show(dgm, "%.2f"),
            show(dgm and best and best / dgm, "%.1f"),
            show(floor, "%.2f"),
            show(dgm and floor and 100 * floor / dgm, "%.0f %%"),
        ]
        print("| " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
