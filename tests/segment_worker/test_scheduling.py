"""Encoders take no real-time priority: other processes of the machine go on."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.media

SCRIPT = """
import os, sys
from fractions import Fraction
from pathlib import Path
from av import VideoFrame
from recast.manifest import EncodeSettings, VideoFacts
from segment_worker.encoders import PartWriter, probe

facts = VideoFacts(
    stream_index=0, codec="av1", width=64, height=64, pix_fmt="yuv420p", time_base=Fraction(1, 25),
    rate=Fraction(25), sar=Fraction(1),
)
settings = EncodeSettings(
    codec="av1", pix_fmt="yuv420p", quality=40, preset="Auto", threads=1, gop=25, encoder="Software",
)

def policies():
    return {os.sched_getscheduler(int(thread)) for thread in os.listdir("/proc/self/task")}

choice = probe("libsvtav1", settings, facts)
print(policies() == {os.SCHED_OTHER})
writer = PartWriter(Path(sys.argv[1]), choice, settings, facts)
for _ in range(3):
    writer.encode(VideoFrame(64, 64, "yuv420p"))
print(policies() == {os.SCHED_OTHER})
writer.close()
"""


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root is given real-time priority")
def test_svt_av1_shares_the_processor(tmp_path: Path) -> None:
    """In a process of its own: what it did to this one would stay."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, tmp_path / "part.mkv"], stdout=subprocess.PIPE, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == ["True", "True"]
