"""A Python caller, with ctypes and numpy: free energies of the pictures on standard input (CSV), a row a line.
Call: caller.py bars.so"""
import ctypes
import sys

import numpy as np

lib = ctypes.CDLL(sys.argv[1])
floats = np.ctypeslib.ndpointer(np.float32, flags="C_CONTIGUOUS")
block = np.ctypeslib.ndpointer(np.uint8, flags="C_CONTIGUOUS")
for size in (lib.bars_size, lib.bars_free_energy_work):
    size.restype = ctypes.c_size_t
lib.bars_free_energy_work.argtypes = [ctypes.c_size_t]
lib.bars_load.argtypes = [block, ctypes.c_size_t]
lib.bars_free_energy.argtypes = [block, ctypes.c_size_t, floats, floats, block, ctypes.c_size_t]

v = np.loadtxt(sys.stdin, delimiter=",", dtype=np.float32, ndmin=2)
model = np.empty(lib.bars_size(), np.uint8)
work = np.empty(lib.bars_free_energy_work(len(v)), np.uint8)
energy = np.empty(len(v), np.float32)
status = lib.bars_load(model, model.size)
if status == 0:
    status = lib.bars_free_energy(model, len(v), v, energy, work, work.size)
if status != 0:
    sys.exit(f"caller.py: status {status}")
for x in energy:
    print(f"{x:.6f}")
