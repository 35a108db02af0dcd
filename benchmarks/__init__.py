"""Accuracy and speed measurements; run from the repository root, never installed."""

import os

# SciPy's triangulation calls BLAS with tiny matrices; on a busy machine OpenBLAS's spinning threads
# make that up to 50 times slower. It reads this once, when NumPy is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
