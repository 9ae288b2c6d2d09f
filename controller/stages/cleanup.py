"""Cleanup: remove what a deleted or failed job left in scratch. Run as `python -m controller.stages.cleanup`."""

from controller.stages.scratch import remove_run
from recast import log
from recast.errors import BadConfig
from recast.stage import StageInput, StageResult, end_process, run_stage
from recast.storageconfig import make_storage


def main() -> int:
    """Run the stage; returns the exit code."""
    return run_stage(cleanup)


def cleanup(job: StageInput) -> StageResult:
    """Remove the run's folder; one that is not there is as good."""
    if job.run is None:
        raise BadConfig("RECAST_STAGE: run is missing: split reports it")
    layout = job.layout(job.run)
    remove_run(make_storage(job.spec), layout)
    log.info("scratch removed", uri=layout.prefix)
    return StageResult(run=job.run, message=f"{layout.prefix}/ is removed")


if __name__ == "__main__":
    end_process(main())
