"""InsightFace's models without its host code: the same numbers, on regions of pictures in their own YUV."""
