"""A whole job on this machine, by the stages that pods run.

    recast run -> EmbeddedStore
               -> python -m controller.stages.split, and beside it
                  python -m segment_worker.precheck   (where there are photos, or NVENC must be there)
               -> python -m controller.stages.normalise   (where the job asks for it)
               -> python -m segment_worker      (several at once, one JOB_COMPLETION_INDEX each)
               -> python -m controller.stages.mux

- `run`: the stages of a job, one after another, again where they fail
- `child`: a stage as a child process
- `kept`: the folders of runs, kept when they are cut short
"""
