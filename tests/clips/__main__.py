"""`python -m tests.clips [NAME ...]` makes the clips, all of them where none is named, and says where they are."""

import sys

from tests.clips import CLIPS, build

for wanted in sys.argv[1:] or CLIPS:
    print(build(wanted))
