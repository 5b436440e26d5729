#!/usr/bin/python3
"""PyTorch at its best settings on the two works of this folder.

usage: peer.py dbm|gibbs, see ../peers.py

dbm: one update of a deep Boltzmann machine 784-500-1000, batch 100: 10 mean-field passes, 5 sweeps of 100
persistent chains, gradient, momentum.  gibbs: one sweep of 1000 chains of a restricted Boltzmann machine
784-500.

float32, no autograd, every buffer allocated beforehand, every operation in place or with out=; the bias is
added by the product (addmm, beta = 1); v W is computed once, not in every pass; h = u < sigmoid(x) with u
from uniform_(), several times faster than bernoulli_; sigmoid in place; the gradient and the
momentum are one addmm_ each: V := momentum V + rate/100 (...).  Data: random bits at the density of
Fashion-MNIST.
"""

import os
import sys

import torch

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import peers

VISIBLE, HIDDEN, TOP, BATCH, CHAINS, RATE, MOMENTUM = 784, 500, 1000, 100, 1000, 0.005, 0.5
PASSES, SWEEPS, DENSITY, EXAMPLES = 10, 5, 0.31, 6000


def bits(*size, density=0.5):
    return (torch.rand(size) < density).float()


class Dbm:
    def __init__(self):
        normal, zeros = (lambda *s: torch.randn(s).mul_(0.01)), torch.zeros
        self.W, self.U = normal(VISIBLE, HIDDEN), normal(HIDDEN, TOP)
        self.b, self.c, self.d = zeros(VISIBLE), zeros(HIDDEN), zeros(TOP)
        self.dW, self.dU, self.db, self.dc, self.dd = map(torch.zeros_like, (self.W, self.U, self.b, self.c, self.d))
        self.v, self.vc = zeros(BATCH, VISIBLE), bits(BATCH, VISIBLE)
        self.vW, self.h, self.hc, self.uh = (zeros(BATCH, HIDDEN) for _ in range(4))
        self.g, self.gc, self.ug = zeros(BATCH, TOP), bits(BATCH, TOP), zeros(BATCH, TOP)
        self.uv, self.pv = zeros(BATCH, VISIBLE), zeros(BATCH, VISIBLE)
        self.ph, self.pg = zeros(BATCH, HIDDEN), zeros(BATCH, TOP)
        self.data, self.at = bits(EXAMPLES, VISIBLE, density=DENSITY), 0

    def step(self):
        W, U, h, g = self.W, self.U, self.h, self.g
        self.v.copy_(self.data[self.at : self.at + BATCH])
        self.at = (self.at + BATCH) % EXAMPLES
        torch.addmm(self.c, self.v, W, out=self.vW)
        g.fill_(0.5)
        for _ in range(PASSES):
            torch.addmm(self.vW, g, U.t(), out=h).sigmoid_()
            torch.addmm(self.d, h, U, out=g).sigmoid_()
        for _ in range(SWEEPS):
            torch.addmm(self.c, self.vc, W, out=self.ph).addmm_(self.gc, U.t()).sigmoid_()
            torch.lt(self.uh.uniform_(), self.ph, out=self.hc)
            torch.addmm(self.d, self.hc, U, out=self.pg).sigmoid_()
            torch.lt(self.ug.uniform_(), self.pg, out=self.gc)
            torch.addmm(self.b, self.hc, W.t(), out=self.pv).sigmoid_()
            torch.lt(self.uv.uniform_(), self.pv, out=self.vc)
        rate = RATE / BATCH
        for p, d, x, y, xc, yc in (
            (W, self.dW, self.v, h, self.vc, self.hc),
            (U, self.dU, h, g, self.hc, self.gc),
        ):
            d.addmm_(x.t(), y, beta=MOMENTUM, alpha=rate).addmm_(xc.t(), yc, alpha=-rate)
            p.add_(d)
        for p, d, x, xc in (
            (self.b, self.db, self.v, self.vc),
            (self.c, self.dc, h, self.hc),
            (self.d, self.dd, g, self.gc),
        ):
            d.mul_(MOMENTUM).add_(x.sum(0), alpha=rate).sub_(xc.sum(0), alpha=rate)
            p.add_(d)


class Gibbs:
    def __init__(self):
        self.W = torch.randn(VISIBLE, HIDDEN).mul_(0.01)
        self.b, self.c = torch.zeros(VISIBLE), torch.zeros(HIDDEN)
        self.v, self.pv, self.uv = bits(CHAINS, VISIBLE), torch.zeros(CHAINS, VISIBLE), torch.zeros(CHAINS, VISIBLE)
        self.h, self.ph, self.uh = (torch.zeros(CHAINS, HIDDEN) for _ in range(3))

    def step(self):
        torch.addmm(self.c, self.v, self.W, out=self.ph).sigmoid_()
        torch.lt(self.uh.uniform_(), self.ph, out=self.h)
        torch.addmm(self.b, self.h, self.W.t(), out=self.pv).sigmoid_()
        torch.lt(self.uv.uniform_(), self.pv, out=self.v)


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    peers.main({"dbm": lambda: [Dbm().step], "gibbs": lambda: [Gibbs().step]}, repeats=20)
