"""Pure: what a Dockerfile says, stage by stage."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Instruction:
    """One instruction.

    Attributes:
        word: FROM, RUN and so on.
        rest: what follows, on one line.
    """

    word: str
    rest: str

    @property
    def mounts(self) -> list[str]:
        """What a RUN mounts."""
        return re.findall(r"--mount=(\S+)", self.rest)


@dataclass
class Stage:
    """One stage.

    Attributes:
        name: as other stages call it.
        base: the stage or the image that it begins with.
        body: its instructions.
    """

    name: str
    base: str
    body: list[Instruction] = field(default_factory=list)


@dataclass
class Recipe:
    """A Dockerfile.

    Attributes:
        arguments: those before the first stage, with their defaults.
        stages: in their order.
    """

    arguments: dict[str, str]
    stages: dict[str, Stage]

    def instructions(self, word: str) -> Iterator[tuple[Stage, Instruction]]:
        """Give all instructions of a kind."""
        for stage in self.stages.values():
            for each in stage.body:
                if each.word == word:
                    yield stage, each

    def layers(self, name: str) -> list[Stage]:
        """Give a stage and those that it is built on, from the bottom up."""
        stage = self.stages.get(name)
        return [*self.layers(stage.base), stage] if stage else []

    def user(self, name: str) -> str | None:
        """Who a stage ends as; None where nobody says."""
        users = [each.rest for stage in self.layers(name) for each in stage.body if each.word == "USER"]
        return users[-1] if users else None


def parse(text: str) -> Recipe:
    """Take a Dockerfile apart."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    recipe = Recipe({}, {})
    stage: Stage | None = None
    for line in re.sub(r"\\\n", " ", "\n".join(lines)).splitlines():
        if not line.strip():
            continue
        word, _, rest = line.strip().partition(" ")
        rest = " ".join(rest.split())
        if word == "FROM":
            base, _, name = rest.partition(" AS ")
            stage = recipe.stages[name] = Stage(name, base)
        elif stage is None:
            name, _, default = rest.partition("=")
            recipe.arguments[name] = default
        else:
            stage.body.append(Instruction(word, rest))
    return recipe
