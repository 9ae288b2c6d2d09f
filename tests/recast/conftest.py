"""Properties are judged by their result: a busy machine is no failure."""

from hypothesis import settings

settings.register_profile("recast", deadline=None)
settings.load_profile("recast")
