"""The Debian packages that a node for real needs: installed where root may, else named.

python -m tests.e2e.packages
"""

import os
import shutil
import subprocess
import sys

from tests.e2e.node import PACKAGES, why_not

INSTALL_SECONDS = 900.0


def main() -> int:
    """Install what is missing; that they are missing is no error."""
    if not why_not():
        return 0
    if os.geteuid() or shutil.which("apt-get") is None:
        print(f"not installed, since this is no root on Debian: {' '.join(PACKAGES)}", file=sys.stderr)
        return 0
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update", "-q"], ["install", "-y", "-q", "--no-install-recommends", *PACKAGES]):
        done = subprocess.run(
            ["apt-get", *command], env=environment, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False
        )
        if done.returncode:
            print(f"apt-get {command[0]} failed: {done.stderr.strip()[-500:]}", file=sys.stderr)
            return 0
    print(f"installed: {' '.join(PACKAGES)}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
