"""The GPU side: one pod, one or more segments."""

import os

# NumPy's BLAS would start a thread for each core of the node, however few of them the pod may use.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
