"""Pure: from what is seen of a FaceSwapJob to what is done about it.

Nothing here asks anybody.

    observed    what is seen: the few fields of the API's objects that matter, as data
    plan        what to do about a job at work
    ending      what to do about one that has finished or is being deleted
    actions     what a plan may ask for
    draft       the plan while it is made
    specs       whether a spec can be carried out
    culprit     which pod failed a stage
    stuck       why a stage does not move
    deadline    how much of a job's time is used up
    progress    how far swap is
    gputime     what of GPUs it took
    conditions  the status' conditions
    objects     the stages' Jobs
    poddefaults what the administrator sets for their pods
    writing     whether a status is worth a write
"""
