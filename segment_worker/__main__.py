"""`python -m segment_worker`: the swap stage."""

from recast.stage import end_process
from segment_worker.worker import main

if __name__ == "__main__":
    end_process(main())
