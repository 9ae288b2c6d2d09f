"""The machinery of a controller: reflector, work queue, lease. Nothing of FaceSwapJobs."""
