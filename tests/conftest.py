"""Fixtures and settings of all tests."""

from hypothesis import settings

from tests.s3_fixture import prefix, s3, storage

__all__ = ["prefix", "s3", "storage"]

# A busy machine makes any example slow; slowness is no failure here.
settings.register_profile("recast", deadline=None)
settings.load_profile("recast")
