"""`python -m segment_worker`: the swap stage."""

import sys

from segment_worker.worker import main

if __name__ == "__main__":
    sys.exit(main())
