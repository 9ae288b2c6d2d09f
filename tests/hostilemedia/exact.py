"""An independent look at an output: the parts' frames against what FFmpeg's own binary decodes of the damaged file."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from recast.media.formats import ffmpeg_input
from tests import clips

EXACT, CONCEALED = "exact", "concealed"


def compare(path: Path, folder: Path) -> str:
    """Hold a case's parts against its plan and against FFmpeg's decode.

    Args:
        path: the damaged file.
        folder: where the case left its scratch.

    Returns:
        `EXACT`; `CONCEALED` where frames that a decoder made up for damage are not FFmpeg's; or what is wrong.
    """
    (plan_path,) = folder.glob("scratch/*/*/*/plan.json")
    plan = json.loads(plan_path.read_text())
    files = sorted(plan_path.parent.glob("plan/*.json"))
    chunks = [plan["chunk"]] if plan.get("chunk") else [json.loads(each.read_text()) for each in files]
    times = [pts for chunk in chunks for segment in chunk["segments"] for pts in segment["pts"]]
    if len(times) != plan["frames"] or times != sorted(times):
        return f"the plan of {plan['frames']} frames lists {len(times)}, or not in order"
    pix_fmt = plan["encode"]["pixFmt"]
    made = [
        frame
        for part in sorted(plan_path.parent.glob("parts/*.mkv"), key=lambda each: int(each.name.split("-")[0]))
        for frame in _decoded(part, 0, pix_fmt)
    ]
    if len(made) != plan["frames"]:
        return f"the parts have {len(made)} frames, the plan {plan['frames']}"
    own = _decoded(path, plan["video"]["streamIndex"], pix_fmt)
    # FFmpeg may begin earlier, with frames of which nothing refers to is there: recast's must be a run of its frames.
    if _is_run(made, own):
        return EXACT
    return CONCEALED


def _decoded(path: Path, stream: int, pix_fmt: str) -> list[str]:
    """The frames' hashes."""
    command = [clips.exe(), "-nostdin", "-v", "quiet", "-threads", "1", "-noautorotate", "-flags", "+bitexact"]
    command += [*ffmpeg_input(path), "-map", f"0:{stream}", "-fps_mode", "passthrough", "-pix_fmt", pix_fmt]
    done = subprocess.run([*command, "-f", "framemd5", "-"], capture_output=True, text=True, timeout=120)
    return [line.rsplit(",", 1)[1].strip() for line in done.stdout.splitlines() if not line.startswith("#")]


def _is_run(made: list[str], own: list[str]) -> bool:
    return any(own[k : k + len(made)] == made for k in range(len(own) - len(made) + 1))
