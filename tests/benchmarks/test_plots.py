"""Each plot is drawn from the table that its measure prints."""

from pathlib import Path

import pytest

from benchmarks import headline, host_cost, length, split_mux, start_up
from benchmarks.measure import Cost
from benchmarks.plots import PLOTS

COSTS = {
    name: Cost(wall, 2 * wall, 1 << 26)
    for wall, name in enumerate([headline.CV2, headline.PNG, "recast, passthrough, 2 workers", headline.LIMIT], start=1)
}
PRINTED = {
    "headline": headline.table(headline.Results(COSTS, {headline.PNG: 99.0}), 0.1),
    "start_up": start_up.steps_table({engine: dict.fromkeys([*start_up.STEPS, "all"], 0.3) for engine in ("A", "B")}),
    "length": f"{length.HEAD}\n| mp4 | 1 | 1440 | 2.9 | 100 | 2.5 | 102 | 1.27 | 2.90 |"
    "\n| mp4 | 9 | 9 | 9 | 9 | 9 | 9 | 9 | 9 |\n| mkv | 9 | 9 | 9 | 9 | 9 | 9 | 9 | 9 |",
    "split_mux": f"{split_mux.HEAD}\n| 50 | ffmpeg -c copy | 1 | 1 | 9 | 1 | 1 |\n| 50 | split | 2 | 2 | 9 | 2 | 2 |",
    "host_cost": f"{host_cost.HEAD}\n| 1080 | 1 | 9.0 | 5.0 | 99.0 | 11.0 |\n| 1080 | 4 | 12.0 | 5.0 | 300 | 25 |",
}


@pytest.mark.parametrize("name", PLOTS)
def test_a_plot_is_drawn_from_what_its_measure_prints(name: str, tmp_path: Path) -> None:
    path = tmp_path / "plot.png"
    PLOTS[name](PRINTED[name], path)
    assert path.read_bytes().startswith(b"\x89PNG")


def test_what_others_need_is_held_against_the_limit_in_the_headline() -> None:
    png = PRINTED["headline"].splitlines()[3]
    assert png == f"| {headline.PNG} (of 10% of the clip, scaled) | 2.0 | 4.0 | 64 | 99.0 | 0.50 | 0.50 |"
