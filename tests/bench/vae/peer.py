#!/usr/bin/python3
"""PyTorch at its best settings on the works of this folder.

usage: peer.py vae|made|conv --threads N [--repeats 100]

vae: one step of a variational autoencoder 784-400-20 (ReLU, batch 100, Adam), the KL term in closed form.
made: one step of a masked autoencoder 784-500-784 (ReLU, batch 100, Adam).  conv: one step of the convolutional
variational autoencoder of conv.dgm.  Prints a JSON line {"peer",
"work", "threads", "ms", "user_ms"}: ms the least over the repeats after a few to warm up, user_ms the
processor time of a repeat, likewise.

float32, autograd, fused Adam, gradients set to None, the loss fused (binary_cross_entropy_with_logits).
Data: random bits at the density of Fashion-MNIST.
"""

import os
import sys

import torch

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import peers
from torch.nn import functional

VISIBLE, BATCH, DENSITY, EXAMPLES = 784, 100, 0.31, 6000


def loss_of(logits, x):
    return functional.binary_cross_entropy_with_logits(logits, x, reduction="sum")


class Vae(torch.nn.Module):
    def __init__(self, hidden=400, latent=20):
        super().__init__()
        self.encoder, self.code = torch.nn.Linear(VISIBLE, hidden), torch.nn.Linear(hidden, 2 * latent)
        self.decoder, self.pixels = torch.nn.Linear(latent, hidden), torch.nn.Linear(hidden, VISIBLE)

    def forward(self, x):
        mean, logvar = self.code(self.encoder(x).relu_()).chunk(2, 1)
        z = torch.addcmul(mean, torch.exp(0.5 * logvar), torch.randn_like(mean))
        kl = 0.5 * (mean.square() + logvar.exp() - logvar - 1).sum()
        return (loss_of(self.pixels(self.decoder(z).relu_()), x) + kl) / BATCH


class Made(torch.nn.Module):
    def __init__(self, hidden=500):
        super().__init__()
        self.inner, self.outer = torch.nn.Linear(VISIBLE, hidden), torch.nn.Linear(hidden, VISIBLE)
        degree, at = torch.arange(hidden) % (VISIBLE - 1), torch.arange(VISIBLE)
        self.inner_mask = (at[None, :] <= degree[:, None]).float()
        self.outer_mask = (degree[None, :] < at[:, None]).float()

    def forward(self, x):
        h = functional.linear(x, self.inner_mask * self.inner.weight, self.inner.bias).relu_()
        return loss_of(functional.linear(h, self.outer_mask * self.outer.weight, self.outer.bias), x) / BATCH


class Conv(torch.nn.Module):
    def __init__(self, maps=8, latent=20):
        super().__init__()
        self.down, self.down2 = torch.nn.Conv2d(1, maps, 4, 2, 1), torch.nn.Conv2d(maps, 2 * maps, 4, 2, 1)
        self.code, self.start = torch.nn.Linear(2 * maps * 49, 2 * latent), torch.nn.Linear(latent, 2 * maps * 49)
        self.up = torch.nn.ConvTranspose2d(2 * maps, maps, 4, 2, 1)
        self.up2 = torch.nn.ConvTranspose2d(maps, 1, 4, 2, 1)

    def forward(self, x):
        x = x.view(-1, 1, 28, 28)
        h = self.down2(self.down(x).relu_()).relu_()
        mean, logvar = self.code(h.flatten(1)).chunk(2, 1)
        z = torch.addcmul(mean, torch.exp(0.5 * logvar), torch.randn_like(mean))
        kl = 0.5 * (mean.square() + logvar.exp() - logvar - 1).sum()
        h = self.up(self.start(z).relu_().view(-1, h.shape[1], 7, 7)).relu_()
        return (loss_of(self.up2(h), x) + kl) / BATCH


def training(kind):
    data = (torch.rand(EXAMPLES, VISIBLE) < DENSITY).float()
    model, at = kind(), 0
    adam = torch.optim.Adam(model.parameters(), lr=0.001, fused=True)

    def step():
        nonlocal at
        adam.zero_grad(set_to_none=True)
        model(data[at : at + BATCH]).backward()
        adam.step()
        at = (at + BATCH) % EXAMPLES

    return step


if __name__ == "__main__":
    works = {"vae": Vae, "made": Made, "conv": Conv}
    peers.main({name: lambda kind=kind: [training(kind)] for name, kind in works.items()}, repeats=100, warm=10)
