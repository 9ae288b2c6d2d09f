"""Pure: what may be killed and when, by which name it is counted, and how kills are dealt out over the runs."""

import random
import re
from collections import Counter
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from tests.s3proxy import Request

Victim = Literal["stage", "store"]
Moment = Literal["before", "after", "anywhere"]

LATEST = 0.6
"""Shares are below this: what ends before its kill is left over for a later run, with all other kills of its pod."""
MOST_DEALS = 5
"""A kill whose moment did not come is dealt again so many times."""


@dataclass(frozen=True)
class Point:
    """A request of an undisturbed run.

    Attributes:
        pod: split, swap-0, swap-1, mux.
        what: operation and object, as `describe` says.
        nth: counts the same requests of one process, from 1.
        order: its place among all requests of the pod.
    """

    pod: str
    what: str
    nth: int
    order: int


@dataclass(frozen=True)
class Kill:
    """One SIGKILL to come.

    Attributes:
        pod: whose process dies, or during whose work the store does.
        moment: before or after `point`; or anywhere, after `share` of the time that the stage takes.
    """

    pod: str
    victim: Victim
    moment: Moment
    point: Point | None = None
    share: float = 0.0

    @property
    def stage(self) -> str:
        """Of its pod."""
        return self.pod.partition("-")[0]

    @property
    def phase(self) -> str:
        """What it is counted as."""
        if self.victim == "store":
            return f"store, {self.moment} a request of {self.stage}"
        if self.point is None:
            return f"{self.stage}, at a random moment"
        return f"{self.stage}, {self.moment} {re.sub('[0-9]+', 'N', self.point.what)}"

    @property
    def order(self) -> float:
        """Kills of one pod come in this order, so that each is still to come once the one before has."""
        return -1 if self.point is None else self.point.order


def describe(request: Request, job: str) -> str:
    """The operation and its object; the same words in each run.

    Args:
        request: what was asked.
        job: the job's name.
    """
    operation = request.operation
    if request.method == "GET" and "uploads" in request.query:
        operation = "ListUploads"
    key = request.key or request.query.get("prefix", "")
    # <scratch>/<namespace>/<name>/<run>/...
    key = re.sub(rf".*{job}/[0-9a-f]{{12}}/", "", key)
    key = re.sub(r"(parts/\d+)-[0-9a-f]+", r"\1", key).replace(job, "JOB")
    return f"{operation} {key}".strip()


def points(requests: Iterable[tuple[str, str]]) -> list[Point]:
    """Number what pods asked.

    Args:
        requests: pod and description, in order.
    """
    seen: Counter[tuple[str, str]] = Counter()
    found = []
    for order, (pod, what) in enumerate(requests):
        seen[pod, what] += 1
        found.append(Point(pod, what, seen[pod, what], order))
    return found


def all_kills(found: Sequence[Point], choice: random.Random) -> list[Kill]:
    """Every kill there is: the stage before and after each request, and anywhere; the store around some of them."""
    kills = [Kill(point.pod, "stage", moment, point) for point in found for moment in _MOMENTS]
    for pod in dict.fromkeys(point.pod for point in found):
        own = [point for point in found if point.pod == pod]
        kills += [Kill(pod, "stage", "anywhere", share=LATEST * choice.random()) for _ in range(3)]
        kills += [Kill(pod, "store", moment, choice.choice(own)) for moment in _MOMENTS]
    return kills


_MOMENTS: tuple[Moment, ...] = ("before", "after")


class Deck:
    """Kills to be dealt: first one of each phase, then the others, then all again."""

    def __init__(self, kills: Sequence[Kill], choice: random.Random) -> None:
        self._all, self._choice = tuple(kills), choice
        self._deals: Counter[Kill] = Counter()
        self.phases = sorted({kill.phase for kill in kills})
        self._cards = self._shuffled()

    def draw(self, most: int) -> list[Kill]:
        """Deal some kills for a run."""
        dealt = []
        for _ in range(most):
            self._cards = self._cards or self._shuffled()
            dealt.append(self._cards.pop(0))
        self._deals.update(dealt)
        return dealt

    def put_back(self, kills: Iterable[Kill], done: Container[str]) -> None:
        """Take back kills whose moment did not come: to the top those of phases that have no kill yet.

        Args:
            kills: what is left over.
            done: phases that have one.
        """
        for kill in kills:
            if self._deals[kill] < MOST_DEALS:
                self._cards.insert(len(self._cards) if kill.phase in done else 0, kill)

    def _shuffled(self) -> list[Kill]:
        cards = self._choice.sample(self._all, len(self._all))
        first = {kill.phase: kill for kill in cards}
        chosen = set(first.values())
        return [*first.values(), *(kill for kill in cards if kill not in chosen)]
