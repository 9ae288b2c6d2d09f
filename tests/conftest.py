"""Fixtures of all tests."""

from tests.s3_fixture import prefix, s3, storage

__all__ = ["prefix", "s3", "storage"]
