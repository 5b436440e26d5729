#!/usr/bin/python3
"""PyTorch at its best settings on the step of gmmn.dgm.

usage: peer.py gmmn, see ../peers.py

The better of two forms.  autograd: the loss as it is written, kernels of data with data outside of the graph.  hand: its gradient by the generated
images by hand, in place in buffers allocated beforehand; only the net is differentiated by autograd.
float32; random data in 0..1.
"""

import os
import sys

import torch

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import peers

ROWS, SIZES, EXAMPLES, RATE, MOMENTUM = 1000, (10, 64, 256, 256, 1024, 784), 5000, 0.1, 0.9
SCALES = [-0.5 / s**2 for s in (2, 5, 10, 20, 40, 80)]


def network():
    layers = []
    for n, m in zip(SIZES, SIZES[1:]):
        layers += [torch.nn.Linear(n, m), torch.nn.ReLU(inplace=True)]
    layers[-1] = torch.nn.Sigmoid()
    return torch.nn.Sequential(*layers)


def distances(x, y, out=None):
    gap = (x * x).sum(1)[:, None] + (y * y).sum(1)[None]
    return torch.addmm(gap, x, y.t(), alpha=-2, out=out)


class Step:
    def __init__(self):
        self.net = network()
        self.optimizer = torch.optim.SGD(self.net.parameters(), RATE, MOMENTUM, foreach=True)
        self.data, self.at = torch.rand(EXAMPLES, SIZES[-1]), 0
        self.z = torch.empty(ROWS, SIZES[0])
        self.d, self.k, self.w = (torch.empty(ROWS, ROWS) for _ in range(3))

    def step(self):
        x = self.data[self.at : self.at + ROWS]
        self.at = (self.at + ROWS) % EXAMPLES
        g = self.net(self.z.uniform_(-1, 1))
        self.optimizer.zero_grad(set_to_none=False)
        self.descend(g, x)
        self.optimizer.step()


class Autograd(Step):
    def kernels(self, x, y):
        d = distances(x, y)
        return sum((d * c).exp_().sum() for c in SCALES)

    def descend(self, g, x):
        with torch.no_grad():
            same = self.kernels(x, x)
        square = self.kernels(g, g) - 2 * self.kernels(g, x) + same
        (square / ROWS**2).sqrt().backward()


class Hand(Step):
    def kernels(self, x, y, slopes):
        """The sum of all kernels; w := the sum of c * kernel."""
        d, sum = distances(x, y, self.d), 0
        for i, c in enumerate(SCALES):
            torch.mul(d, c, out=self.k).exp_()
            sum = sum + self.k.sum()
            if slopes:
                torch.mul(self.k, c, out=self.w) if i == 0 else self.w.add_(self.k, alpha=c)
        return sum

    def descend(self, g, x):
        with torch.no_grad():
            made = g.detach()
            square = self.kernels(x, x, False) + self.kernels(made, made, True)
            slope = made * self.w.sum(1)[:, None]
            slope.addmm_(self.w, made, alpha=-1)
            square = square - 2 * self.kernels(made, x, True)
            slope.addcmul_(made, self.w.sum(1)[:, None], value=-1).addmm_(self.w, x)
            slope.mul_(2 / ROWS**2 / (square / ROWS**2).sqrt())
        g.backward(slope)


def check():
    """Both forms have one gradient."""
    a, h = Autograd(), Hand()
    h.net.load_state_dict(a.net.state_dict())
    z, x = torch.empty(ROWS, SIZES[0]).uniform_(-1, 1), a.data[:ROWS]
    for one in a, h:
        one.descend(one.net(z), x)
    for p, q in zip(a.net.parameters(), h.net.parameters()):
        assert (p.grad - q.grad).abs().max() <= 1e-3 * p.grad.abs().max(), "the gradient by hand is wrong"


def forms():
    check()
    return [Autograd().step, Hand().step]


if __name__ == "__main__":
    peers.main({"gmmn": forms}, repeats=15)
