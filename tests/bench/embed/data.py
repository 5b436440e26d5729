"""MNIST's test pictures, binarised at 1/2, and random parameters, as raw floats and as safetensors.
Call: data.py IMAGES.gz FOLDER"""
import gzip
import json
import struct
import sys

import numpy as np

images, folder = sys.argv[1:]
raw = np.frombuffer(gzip.open(images).read(), np.uint8)[16:]
(raw > 127).astype(np.float32).tofile(f"{folder}/pictures")
rng = np.random.default_rng(1)
params = {"W": rng.normal(0, 0.05, (784, 500)), "b": rng.normal(-1, 1, 784), "c": rng.normal(0, 1, 500)}
data = b"".join(p.astype(np.float32).tobytes() for p in params.values())
with open(f"{folder}/params", "wb") as f:
    f.write(data)
head, at = {}, 0
for name, p in params.items():
    head[name] = {"dtype": "F32", "shape": p.shape, "data_offsets": [at, at + 4 * p.size]}
    at += 4 * p.size
text = json.dumps(head).encode()
text += b" " * (-len(text) % 8)
with open(f"{folder}/rbm.safetensors", "wb") as f:
    f.write(struct.pack("<Q", len(text)) + text + data)
