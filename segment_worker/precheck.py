"""What only a worker can tell of a job, before a frame is swapped. Run as `python -m segment_worker.precheck`.

`recast run` asks this beside split: whether the photos show faces, whether the engine starts, and whether NVENC is
here where nothing else will do.
"""

from recast.media.presets import needs_nvenc
from recast.stage import StageInput, StageResult, end_process, run_stage
from recast.storageconfig import make_storage
from recast.watchdog import Watchdog
from segment_worker.encoders import check_nvenc
from segment_worker.engines.factory import make_engine
from segment_worker.engines.photos import tell_of
from segment_worker.inputs import models_of, read_pair
from segment_worker.worker import START_SECONDS, bounds_of


def main() -> int:
    """Run the stage; returns the exit code."""
    return run_stage(precheck)


def precheck(job: StageInput) -> StageResult:
    """Set the job's engine up with its photos, and tell of those that are in doubt.

    Raises:
        RecastError: what a worker would end with, after the source was cut.
    """
    spec = job.spec
    if needs_nvenc(spec.video):
        with Watchdog(spec.worker.stall_seconds, lambda: "probe of the encoder"):
            check_nvenc(spec.video)
    storage = make_storage(spec)
    with bounds_of(spec.engine), Watchdog(START_SECONDS, lambda: f"start of engine {spec.engine.name}"):
        pairs = [read_pair(storage, pair, spec.limits) for pair in spec.faces]
        engine = make_engine(spec.engine, pairs, models_of(storage, spec.engine), spec.limits)
        engine.warm_up()
    tell_of(engine.photos)
    return StageResult(message=f"engine {engine.name} takes the job's photos")


if __name__ == "__main__":
    end_process(main())
