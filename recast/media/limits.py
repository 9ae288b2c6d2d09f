"""How much of a source is too much: `limits` of the job's spec, held against what its pass comes upon."""

from dataclasses import dataclass

from recast import names
from recast.errors import BadInput
from recast.spec import Limits


@dataclass
class Allowance:
    """Counts what a pass over a source takes.

    Attributes:
        limits: of the job.
        name: how errors call the source.
        packets: of its video, so far.
    """

    limits: Limits
    name: str
    packets: int = 0

    def opened(self, size: int) -> None:
        """A source of so many bytes is about to be read."""
        refuse_empty(self.name, size)
        if size > self.limits.bytes:
            raise over(self.name, f"{size} bytes", "bytes", self.limits.bytes)

    def packet(self) -> None:
        """Another video packet was read."""
        self.packets += 1
        if self.packets > self.limits.packets:
            raise over(self.name, "more video packets", "packets", self.limits.packets)

    def shown(self, seconds: float) -> None:
        """So long after the first frame another is shown."""
        if seconds > self.limits.seconds:
            raise over(self.name, f"{seconds:.0f} s of video", "seconds", self.limits.seconds)


def refuse_empty(name: str, size: int) -> None:
    """Refuse a file without a byte.

    Raises:
        BadInput: it is one.
    """
    if size == 0:
        raise BadInput(f"{name}: the file is empty: copy it again")


def over(name: str, what: str, limit: str, allowed: float) -> BadInput:
    """The error for what is over a limit, which it names as a job's spec and as the command line has it."""
    option = "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in limit)
    return BadInput(
        f"{name}: {what}: limits.{limit} (--limit {option}=N) allows {allowed:.0f}: raise it if the file is good",
        reason=names.OVER_LIMIT,
    )
