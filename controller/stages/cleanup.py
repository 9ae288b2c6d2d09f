"""Cleanup: remove what a deleted or failed job left in scratch. Run as `python -m controller.stages.cleanup`."""

from controller.stages.scratch import remove_run, remove_runs
from recast import log
from recast.stage import StageInput, StageResult, end_process, run_stage
from recast.storageconfig import make_storage


def main() -> int:
    """Run the stage; returns the exit code."""
    return run_stage(cleanup)


def cleanup(job: StageInput) -> StageResult:
    """Remove the run's folder, or all of the job's where split was stopped before it said which; none is as good."""
    storage = make_storage(job.spec)
    if job.run is None:
        uri = job.folder
        remove_runs(storage, uri)
    else:
        layout = job.layout(job.run)
        uri = f"{layout.prefix}/"
        remove_run(storage, layout)
    log.info("scratch removed", uri=uri)
    return StageResult(run=job.run, message=f"{uri} is removed")


if __name__ == "__main__":
    end_process(main())
