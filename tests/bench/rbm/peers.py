#!/usr/bin/python3
"""One update of a binary RBM, 784-500, batch 100, in a peer library at its best settings.

usage: peers.py numpy|torch|sklearn --threads N [--updates 60]

Prints a JSON line for each objective: {"peer", "objective", "threads", "ms"}, ms the median over the
updates after 10 to warm up.  float32 throughout; Fashion-MNIST, each grey value binarised by a random
threshold (density about 0.29).

An update is: v0 a batch; p0 = sigmoid(v0 W + c);  CD-1: h ~ p0,  SML: h the chains' last sample;
v1 ~ sigmoid(h W' + b); p1 = sigmoid(v1 W + c); SML: chains ~ p1;
W += rate (v0' p0 - v1' p1) / 100 and the same for the biases.  Both statistics are one product with
the batches stacked, which is faster than two in every library.
sklearn has SML only (BernoulliRBM._fit).

The environment must be set before the process starts (run.sh does it): OPENBLAS_CORETYPE and
OPENBLAS_L2_SIZE unset, *_NUM_THREADS, malloc that keeps its pages and the OpenMP build of OpenBLAS for
torch.
"""

import argparse
import gzip
import json
import os
import statistics
import time

import numpy as np

DATA = os.environ.get("FASHION_MNIST", "/usr/share/datasets/fashion-mnist")
VISIBLE, HIDDEN, BATCH, RATE, IMAGES = 784, 500, 100, 0.05, 10000
OBJECTIVES = ("cd", "sml")


def data():
    with gzip.open(os.path.join(DATA, "train-images-idx3-ubyte.gz")) as f:
        f.read(16)
        raw = np.frombuffer(f.read(IMAGES * VISIBLE), np.uint8)
    threshold = np.random.default_rng(1).random(raw.size, np.float32)
    return (raw / np.float32(255) > threshold).astype(np.float32).reshape(IMAGES, VISIBLE)


def initial():
    return np.random.default_rng(2).normal(0, 0.01, (VISIBLE, HIDDEN)).astype(np.float32)


class Numpy:
    """Preallocated buffers, out= everywhere; products by OpenBLAS."""

    def __init__(self, threads):
        f32 = np.float32
        self.rng = np.random.default_rng(3)
        self.W, self.b, self.c = initial(), np.zeros(VISIBLE, f32), np.zeros(HIDDEN, f32)
        self.V = np.zeros((2 * BATCH, VISIBLE), f32)  # v0, v1
        self.P = np.zeros((2 * BATCH, HIDDEN), f32)  # p0, -p1
        self.h, self.chains = np.zeros((BATCH, HIDDEN), f32), np.zeros((BATCH, HIDDEN), f32)
        self.uh, self.uv = np.zeros((BATCH, HIDDEN), f32), np.zeros((BATCH, VISIBLE), f32)
        self.x = np.zeros((BATCH, VISIBLE), f32)
        self.dW, self.db, self.dc = np.zeros_like(self.W), np.zeros_like(self.b), np.zeros_like(self.c)
        self.sign = np.repeat(np.array([1, -1], f32), BATCH)

    def means(self, v, out):
        np.dot(v, self.W, out=out)
        np.add(out, self.c, out=out)
        np.negative(out, out=out)
        np.exp(out, out=out)
        np.add(out, 1, out=out)
        np.reciprocal(out, out=out)

    def update(self, batch, objective):
        V, P, h = self.V, self.P, self.chains if objective == "sml" else self.h
        V[:BATCH] = batch
        self.means(V[:BATCH], P[:BATCH])
        if objective == "cd":
            self.rng.random(dtype=np.float32, out=self.uh)
            np.less(self.uh, P[:BATCH], out=h)
        x = np.dot(h, self.W.T, out=self.x)  # v1 = u (1 + exp(-x)) < 1: no division
        np.add(x, self.b, out=x)
        np.negative(x, out=x)
        np.exp(x, out=x)
        np.add(x, 1, out=x)
        self.rng.random(dtype=np.float32, out=self.uv)
        np.multiply(x, self.uv, out=x)
        np.less(x, 1, out=V[BATCH:])
        self.means(V[BATCH:], P[BATCH:])
        if objective == "sml":
            self.rng.random(dtype=np.float32, out=self.uh)
            np.less(self.uh, P[BATCH:], out=h)
        np.negative(P[BATCH:], out=P[BATCH:])
        np.dot(V.T, P, out=self.dW)
        np.multiply(self.dW, RATE / BATCH, out=self.dW)
        np.add(self.W, self.dW, out=self.W)
        np.dot(self.sign, V, out=self.db)
        np.multiply(self.db, RATE / BATCH, out=self.db)
        np.add(self.b, self.db, out=self.b)
        np.sum(P, axis=0, out=self.dc)
        np.multiply(self.dc, RATE / BATCH, out=self.dc)
        np.add(self.c, self.dc, out=self.c)


class Torch:
    """No autograd, in-place operations, the update accumulated by the product itself."""

    def __init__(self, threads):
        import torch

        self.t = torch
        torch.set_num_threads(threads)
        torch.set_grad_enabled(False)
        zeros = lambda *size: torch.zeros(size, dtype=torch.float32)
        self.W, self.b, self.c = torch.from_numpy(initial()), zeros(VISIBLE), zeros(HIDDEN)
        self.V, self.P = zeros(2 * BATCH, VISIBLE), zeros(2 * BATCH, HIDDEN)
        self.h, self.chains = zeros(BATCH, HIDDEN), zeros(BATCH, HIDDEN)
        self.uh, self.uv, self.x = zeros(BATCH, HIDDEN), zeros(BATCH, VISIBLE), zeros(BATCH, VISIBLE)
        self.sign = torch.cat((torch.ones(BATCH), -torch.ones(BATCH)))

    def update(self, batch, objective):
        t, V, P, W, x = self.t, self.V, self.P, self.W, self.x
        h = self.chains if objective == "sml" else self.h
        V[:BATCH].copy_(t.from_numpy(batch))
        t.addmm(self.c, V[:BATCH], W, out=P[:BATCH]).sigmoid_()
        if objective == "cd":
            t.lt(self.uh.uniform_(), P[:BATCH], out=h)
        t.addmm(self.b, h, W.t(), out=x).sigmoid_()
        t.lt(self.uv.uniform_(), x, out=V[BATCH:])
        t.addmm(self.c, V[BATCH:], W, out=P[BATCH:]).sigmoid_()
        if objective == "sml":
            t.lt(self.uh.uniform_(), P[BATCH:], out=h)
        P[BATCH:].neg_()
        W.addmm_(V.t(), P, alpha=RATE / BATCH)
        self.b.addmv_(V.t(), self.sign, alpha=RATE / BATCH)
        self.c.add_(P.sum(0), alpha=RATE / BATCH)


class Sklearn:
    """BernoulliRBM._fit on float32, set up as BernoulliRBM.fit does."""

    def __init__(self, threads):
        from sklearn.neural_network import BernoulliRBM

        self.rng = np.random.RandomState(3)
        self.rbm = rbm = BernoulliRBM(HIDDEN, learning_rate=RATE, batch_size=BATCH)
        rbm.components_ = np.asarray(initial().T, order="F")
        rbm.intercept_hidden_ = np.zeros(HIDDEN, np.float32)
        rbm.intercept_visible_ = np.zeros(VISIBLE, np.float32)
        rbm.h_samples_ = np.zeros((BATCH, HIDDEN), np.float32)

    def update(self, batch, objective):
        self.rbm._fit(batch, self.rng)


PEERS = {"numpy": Numpy, "torch": Torch, "sklearn": Sklearn}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("peer", choices=PEERS)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--updates", type=int, default=60)
    args = parser.parse_args()
    v = data()
    for objective in OBJECTIVES if args.peer != "sklearn" else ("sml",):
        peer, times = PEERS[args.peer](args.threads), []
        for i in range(args.updates + 10):
            batch = v[i * BATCH % IMAGES :][:BATCH]
            start = time.perf_counter()
            peer.update(batch, objective)
            times.append(time.perf_counter() - start)
        ms = 1e3 * statistics.median(times[10:])
        line = {"peer": args.peer, "objective": objective, "threads": args.threads, "ms": round(ms, 4)}
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
