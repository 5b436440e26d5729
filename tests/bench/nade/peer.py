"""Time of NADE's loss and gradient in PyTorch, by a loop over the inputs and autograd: 784 inputs, 500 hidden units,
batch 100, binary inputs of a density. Prints the median of processor time in milliseconds."""
import statistics
import sys
import time

import torch

ROWS, INPUTS, HIDDEN, RUNS = 100, 784, 500, 9


def loss(x, W, V, b, c):
    a, total = c.expand(ROWS, HIDDEN), 0.0
    for d in range(INPUTS):
        logit = b[d] + torch.sigmoid(a) @ V[d]
        total = total + torch.nn.functional.binary_cross_entropy_with_logits(logit, x[:, d], reduction="sum")
        a = a + x[:, d : d + 1] * W[d]
    return total / ROWS


def main():
    threads = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    density = float(sys.argv[2]) if len(sys.argv) > 2 else 0.13
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    x = (torch.rand(ROWS, INPUTS) < density).float()
    shapes = [(INPUTS, HIDDEN), (INPUTS, HIDDEN), (INPUTS,), (HIDDEN,)]
    weights = [(torch.rand(*s) - 0.5).requires_grad_() for s in shapes]
    took = []
    for _ in range(RUNS):
        start = time.process_time()
        torch.autograd.grad(loss(x, *weights), weights)
        took.append(1e3 * (time.process_time() - start))
    print(f"torch {torch.__version__}, {INPUTS} inputs: {statistics.median(took):.2f} ms")


main()
