"""The same by PyTorch, one thread: F(v) = - v.b - sum softplus(v W + c).  Call: score.py PICTURES PARAMS"""
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F

N, D, H, RUNS = 10000, 784, 500, 3
torch.set_num_threads(1)
v = torch.from_numpy(np.fromfile(sys.argv[1], np.float32).reshape(N, D))
p = torch.from_numpy(np.fromfile(sys.argv[2], np.float32))
W, b, c = p[: D * H].reshape(D, H).contiguous(), p[D * H : D * H + D], p[D * H + D :]


def energy(x):
    return -(x @ b) - F.softplus(torch.addmm(c, x, W)).sum(1)


with torch.inference_mode():
    for rows in (1, 10, 100, 1000):
        times = []
        for _ in range(RUNS):
            start = time.perf_counter()
            out = [energy(v[i : i + rows]) for i in range(0, N, rows)]
            times.append(time.perf_counter() - start)
        mean = torch.cat(out).double().mean().item()
        print(f"torch batch {rows:4d}: {1e6 * sorted(times)[RUNS // 2] / N:8.2f} us an example, mean free energy {mean:.4f}")
