"""Whole jobs, with SIGKILL before and after each request of each stage, at random moments, to the store and to the
local runner: the same bytes come out, or none; scratch is as after an undisturbed run; no part counts without a report.

`make chaos` plays 200 runs; here are 20. Most stages are forks of a process that has their imports behind it.
RECAST_CHAOS_SEED plays the same kills again.
"""

import hashlib
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from recast.errors import BadConfig
from recast.storage.embedded import find_weed
from tests.chaos.judging import distrusted, table
from tests.chaos.kills import Deck, Kill, all_kills, points
from tests.chaos.playing import Exchange, Play, Played
from tests.chaos.processes import Command, Fork, Start
from tests.chaos.runners import STAGES, phase, play_runner
from tests.chaos.world import World, source_clip

FULL = os.environ.get("RECAST_CHAOS") == "full"
RUNS = 200 if FULL else 20
SEED = int(os.environ.get("RECAST_CHAOS_SEED") or random.randrange(1 << 32))
MORE_RUNS = RUNS // 4
"""For phases whose kills came too late."""
LANES = 4 if FULL else 2
"""Jobs at once, each with a store of its own."""
RUNNERS = 9 if FULL else 3
"""Runs of `recast run`."""
COMMANDS = 5
"""In the long mode every fifth run is by the pods' own commands, the others by forks."""
GIVEN_UP = RUNS // 10
"""Runs in which a stage is killed until it is given up."""
KILLS = 4 if FULL else 8
"""In each of the others."""


@dataclass(frozen=True)
class Undisturbed:
    """What a run without kills is like.

    Attributes:
        sha256: of the output.
        scratch: objects that stay, by `storage.retain`.
        seconds: of each stage.
        kills: all that can be done to it.
    """

    sha256: str
    scratch: dict[str, set[str]]
    seconds: dict[str, float]
    kills: list[Kill]


@dataclass
class Tally:
    """What was killed, over all runs."""

    deck: Deck
    runs: int = 0
    fired: Counter[str] = field(default_factory=Counter)
    at: set[Kill] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def draw(self, most: int) -> list[Kill]:
        """Kills for a run."""
        with self.lock:
            return self.deck.draw(most)

    def note(self, played: Played, *more: str) -> None:
        """Count what was killed, in other phases too; what was not is for a later run."""
        phases = [kill.phase for kill in played.fired] + list(more)
        with self.lock:
            self.runs += 1
            print(f"{self.runs}: {'; '.join(phases)}", flush=True)
            self.fired.update(phases)
            self.at.update(played.fired)
            self.deck.put_back(played.missed, self.fired)

    def missing(self) -> list[str]:
        """Phases without a kill."""
        phases = [*self.deck.phases, *(phase(stage) for stage in STAGES)]
        return [each for each in phases if not self.fired[each]]


@pytest.fixture
def lanes(tmp_path: Path) -> Iterator[list[World]]:
    """Worlds of the same source."""
    try:
        find_weed()
    except BadConfig as error:
        pytest.skip(str(error))
    source = source_clip(tmp_path)
    worlds = [World(tmp_path / f"lane{number}", source) for number in range(LANES)]
    try:
        yield [world.__enter__() for world in worlds]
    finally:
        for world in worlds:
            world.__exit__(None, None, None)


@pytest.mark.timeout(7200 if FULL else 1800)
def test_killed_anywhere_the_same_bytes_come_out_or_none(lanes: list[World], tmp_path: Path) -> None:
    print(f"RECAST_CHAOS_SEED={SEED}")
    began = time.monotonic()
    undisturbed = play_undisturbed(lanes[0])
    tally = Tally(Deck(undisturbed.kills, random.Random(SEED)))

    def lane(number: int) -> None:
        for run in range(number, RUNS, LANES):
            play(lanes[number], undisturbed, tally, run)

    with ThreadPoolExecutor(LANES) as pool:
        for done in [pool.submit(lane, number) for number in range(LANES)]:
            done.result()
    while tally.missing() and tally.runs < RUNS + MORE_RUNS:
        play(lanes[0], undisturbed, tally, tally.runs)
    print(table(tally.fired, tally.missing()))
    print(f"{len(tally.at)} of {len(undisturbed.kills)} moments, {tally.runs} runs, {time.monotonic() - began:.0f} s")
    assert tally.missing() == []


def play_undisturbed(world: World) -> Undisturbed:
    """The run that the others are compared with, by the pods' own commands; and what is kept where all is."""
    timed = Play(world, world.job("timed", "OnFailure"), Fork, at_once=False).run()
    asked = Play(world, world.job("asked", "OnFailure"), Command, at_once=False).run()
    Play(world, world.job("kept", "Always"), Fork).run()
    output = world.output("asked")
    assert output is not None and world.output("timed") == world.output("kept") == output
    requests = [(exchange.asker.partition(".")[0], exchange.what) for exchange in asked.journal]
    return Undisturbed(
        hashlib.sha256(output).hexdigest(),
        {"OnFailure": world.scratch("asked"), "Always": world.scratch("kept")},
        timed.seconds,
        all_kills(points(requests), random.Random(SEED)),
    )


def play(world: World, undisturbed: Undisturbed, tally: Tally, run: int) -> None:
    """One run of any kind, judged."""
    choice = random.Random(f"{SEED} {run}")
    start: Start = Command if FULL and run % COMMANDS == 0 else Fork
    if run < RUNNERS:
        stage = STAGES[run % len(STAGES)]
        while not play_runner(world.folder / f"{run}-{choice.random()}", world.clip, stage, choice, undisturbed.sha256):
            pass
        tally.note(Played(), phase(stage))
    elif run < RUNNERS + GIVEN_UP:
        played = play_given_up(world, undisturbed, start, f"run{run}", choice)
        tally.note(played)
    else:
        kills = tally.draw(KILLS)
        played = play_job(world, undisturbed, start, f"run{run}", kills, choice)
        assert not played.gave_up, f"run {run} gave up: {kills}"
        tally.note(played)


def play_job(
    world: World, undisturbed: Undisturbed, start: Start, name: str, kills: list[Kill], choice: random.Random
) -> Played:
    """A job that is killed here and there and ends well."""
    at_once, retain = choice.random() < 0.5, "OnFailure"
    played = Play(
        world, world.job(name, retain), start, kills, seconds=undisturbed.seconds, at_once=at_once, retries=6
    ).run()
    judge(world, undisturbed, name, retain, played.journal, f"{name}: {played.fired}")
    return played


def play_given_up(world: World, undisturbed: Undisturbed, start: Start, name: str, choice: random.Random) -> Played:
    """A job whose stage is killed at one place until it is given up, and which is begun again later."""
    kill = choice.choice([kill for kill in undisturbed.kills if kill.victim == "stage" and kill.point])
    job = world.job(name, "Always")
    given_up = Play(world, job, start, [kill], retries=2, forever=True).run()
    if given_up.gave_up and not published(given_up.journal):
        assert world.output(name) is None, f"{name}: gave up, and left an output: {kill}"
    again = Play(world, job, start, retries=0).run()
    assert not again.gave_up
    judge(world, undisturbed, name, "Always", given_up.journal + again.journal, f"{name}: {kill}")
    return given_up


def published(journal: list[Exchange]) -> bool:
    """Whether the request that publishes has reached the store."""
    return any(exchange.what.startswith("CompleteMultipartUpload out/") for exchange in journal)


def judge(world: World, undisturbed: Undisturbed, name: str, retain: str, journal: list[Exchange], about: str) -> None:
    """Compare with the undisturbed run."""
    assert hashlib.sha256(world.output(name) or b"").hexdigest() == undisturbed.sha256, about
    assert world.scratch(name) == undisturbed.scratch[retain], about
    assert world.unfinished_uploads(name) == set(), about
    assert distrusted(journal) == [], about
