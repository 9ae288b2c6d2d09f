"""`make bench`: every measure, one after another, as Markdown on standard output."""

import subprocess
import sys

MEASURES = (
    "benchmarks.headline",
    "benchmarks.start_up",
    "benchmarks.split_mux",
    "benchmarks.length",
    "benchmarks.mesh_speed",
    "benchmarks.stills",
    "benchmarks.host_cost",
    "benchmarks.pipeline",
)


def main() -> int:
    """Run all; returns the first exit code that is not 0."""
    for name in MEASURES:
        print(f"\n## {name}\n", flush=True)
        code = subprocess.run([sys.executable, "-m", name], check=False).returncode
        if code != 0:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
