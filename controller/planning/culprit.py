"""Pure: which pod says why its Job failed, and what its last words are."""

from controller.planning.observed import Pod
from controller.planning.stuck import resources_field
from recast import exitcodes


def culprit(pods: tuple[Pod, ...]) -> Pod | None:
    """The pod that says why its Job failed: the last that ended badly by itself, with words if any has them."""
    harmless = {None, exitcodes.OK, exitcodes.TERMINATED}
    bad = [pod for pod in pods if pod.exit_code not in harmless or (pod.exit_code is None and pod.ended_by)]
    # Of a hopeless end and one that was tried again, the hopeless one failed the Job.
    bad.sort(key=lambda pod: (pod.exit_code in exitcodes.NEVER_RETRIED, pod.result is not None, str(pod.finished)))
    return bad[-1] if bad else None


def last_words(stage: str, pod: Pod) -> str:
    """How a pod ended that left no report."""
    if pod.ended_by == "OOMKilled":
        return f"pod {pod.name} was killed for want of memory: raise {resources_field(stage)}"
    how = "ended" if pod.exit_code is None else f"ended with status {pod.exit_code}"
    return f"pod {pod.name} {how}" + (f": {pod.ended_by}" if pod.ended_by else "")
