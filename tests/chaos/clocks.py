"""Stages whose wall clock is wrong: S3 requests are signed by it, and nothing else may depend on it."""

import random
import time
from datetime import timedelta
from unittest.mock import patch

import botocore.auth

from recast.storage import s3errors
from tests.chaos.processes import Fork

DAY_SECONDS = 86_400.0


class Leaping(Fork):
    """Its clock leaps to and fro by days at every look; what requests are signed with stays right."""

    @staticmethod
    def first() -> None:
        """Have it so for the rest of the process."""
        real, choice = time.time, random.Random(1)
        patch.object(time, "time", lambda: real() + choice.uniform(-DAY_SECONDS, DAY_SECONDS)).start()


class TenMinutesAhead(Fork):
    """Its clock is off by as much as S3 allows."""

    @staticmethod
    def first() -> None:
        """Have it so for the rest of the process."""
        _shift(timedelta(minutes=10))


class ADayAhead(Fork):
    """Its clock is off by more than S3 allows."""

    @staticmethod
    def first() -> None:
        """Have it so for the rest of the process."""
        _shift(timedelta(days=1))


class ADayBehind(Fork):
    """Its clock is off by more than S3 allows."""

    @staticmethod
    def first() -> None:
        """Have it so for the rest of the process."""
        _shift(-timedelta(days=1))


def _shift(by: timedelta) -> None:
    signed, now, seconds = botocore.auth.get_current_datetime, s3errors.now, time.time
    patch.object(botocore.auth, "get_current_datetime", lambda *given, **named: signed(*given, **named) + by).start()
    patch.object(s3errors, "now", lambda: now() + by).start()
    patch.object(time, "time", lambda: seconds() + by.total_seconds()).start()
