"""The boto3 client of an S3 store: its timeouts, its retries, and where it will not go."""

import functools
import ipaddress
import os
import socket
import time
import urllib.parse
from typing import TYPE_CHECKING, Any

from recast import log
from recast.errors import BadConfig
from recast.storage.backoff import Pace, pause_seconds
from recast.storage.s3errors import BUSY, GARBLED, mapped
from recast.storage.stored import StorageSettings

if TYPE_CHECKING:
    from botocore.loaders import Loader
    from botocore.model import OperationModel
    from mypy_boto3_s3 import S3Client

CONNECT_TIMEOUT_SECONDS = 5.0
READ_TIMEOUT_SECONDS = 30.0
BUSY_STATUS = frozenset({429, 503})
BROKEN_STATUS = frozenset({408, 500, 502, 504})
TRIED_AGAIN = "storage is asked again"
"""What a line of log says whose `detail` tells why a request is tried again."""
SAY_SECONDS = 10.0
"""A client says so at most that often."""
AWS_METADATA = ipaddress.ip_network("fd00:ec2::/32")
"""Of EC2 and EKS by IPv6; by IPv4 they are link-local."""


def make_client(
    settings: StorageSettings,
    *,
    attempts: int,
    timeout: float = READ_TIMEOUT_SECONDS,
    credentials: tuple[str, str] | None = None,
) -> "S3Client":
    """Make a thread-safe boto3 client.

    Args:
        settings: where the store is.
        attempts: tries of each request.
        timeout: seconds without a byte after which a try has failed.
        credentials: access key and secret key; AWS' own search, environment first, if None.

    Raises:
        BadConfig: the CA bundle cannot be read, or the endpoint is no URL.
    """
    import boto3
    import botocore.session
    from botocore.config import Config

    _refuse_inner_address(settings.endpoint)
    if settings.ca_bundle and not os.access(settings.ca_bundle, os.R_OK):
        raise BadConfig(f"{settings.ca_bundle}: this CA bundle cannot be read; correct storage.caBundle")
    stays_here = _is_loopback(settings.endpoint)
    config = Config(
        retries={"mode": "standard", "total_max_attempts": 1},
        connect_timeout=min(timeout, CONNECT_TIMEOUT_SECONDS),
        read_timeout=timeout,
        max_pool_connections=32,
        tcp_keepalive=True,
        s3={
            "addressing_style": "path" if settings.force_path_style else "auto",
            # Of a body that does not leave the machine, its CRC32 tells enough: its sha256 costs both sides a tenth.
            **({"payload_signing_enabled": False} if stays_here else {}),
        },
        # A machine's proxy cannot reach that machine's own loopback.
        proxies={} if stays_here else None,
    )
    access, secret = credentials or (None, None)
    with mapped(settings.endpoint or "s3"):
        core = botocore.session.get_session()
        core.register_component("data_loader", _loader(core.get_config_variable("data_path")))
        session = boto3.session.Session(access, secret, botocore_session=core)
        client = session.client(
            "s3",
            endpoint_url=settings.endpoint,
            region_name=settings.region,
            verify=settings.ca_bundle,
            config=config,
        )
        retries = _Retries(attempts)
        client.meta.events.register("before-send.s3", retries.before_send)
        client.meta.events.register("needs-retry.s3", retries.needs_retry)  # type: ignore[arg-type]  # its answer counts
        if settings.endpoint is not None:
            client.meta.events.register_first("before-call.s3.HeadBucket", _ask_for_no_region)  # type: ignore[arg-type]  # its answer counts
        return client


@functools.cache
def _loader(data_path: str | None) -> "Loader":
    """Botocore's descriptions of services, read once a process: they are most of what a client's making takes."""
    from botocore.loaders import create_loader

    return create_loader(data_path)


class _Retries:
    """What a client does about failures, in place of botocore's own retries.

    Those give up after so many tries whether the store is dead or only busy, and stop trying at all once they have been
    refused a hundred times.
    """

    def __init__(self, attempts: int) -> None:
        self._attempts = attempts
        self._pace = Pace()
        self._said = float("-inf")

    def before_send(self, **_: object) -> None:
        """Wait for a request's turn."""
        time.sleep(self._pace.wait_seconds(time.monotonic()))

    def needs_retry(
        self,
        *,
        response: tuple[Any, dict[str, Any]] | None,
        attempts: int,
        caught_exception: Exception | None,
        operation: "OperationModel",
        request_dict: dict[str, Any],
        **_: object,
    ) -> float | None:
        """Give the seconds until the next try; None for no other."""
        from botocore import exceptions as boto

        if response is None:
            broken, busy = isinstance(caught_exception, boto.ConnectionError | boto.HTTPClientError), False
            why = f"{caught_exception}"
        else:
            status, code = response[0].status_code, response[1].get("Error", {}).get("Code")
            broken, busy = status in BROKEN_STATUS or code in GARBLED, code in BUSY or status in BUSY_STATUS
            why = f"{request_dict['url'].partition('?')[0]}: the store says {code or status}"
        if busy:
            self._pace.refused()
        elif not broken:
            self._pace.served()
            return None
        pause = pause_seconds(attempts, attempts=self._attempts, busy=busy)
        if pause is not None:
            self._say(f"{operation.name}: {why}: try {attempts + 1} in {pause:.1f} s")
        return pause

    def _say(self, detail: str) -> None:
        """Log that a request is tried again, now and then."""
        if time.monotonic() - self._said >= SAY_SECONDS:
            self._said = time.monotonic()
            log.warning(TRIED_AGAIN, detail=detail)


def _ask_for_no_region(**_: object) -> tuple[Any, dict[str, Any]]:
    """Answer botocore's HeadBucket after a redirect: a store that redirects this, too, would be asked without end."""
    from botocore.awsrequest import AWSResponse
    from botocore.compat import HTTPHeaders

    refused = {"Error": {"Code": "301"}, "ResponseMetadata": {"HTTPHeaders": {}, "HTTPStatusCode": 301}}
    return AWSResponse("", 301, HTTPHeaders(), None), refused


def _refuse_inner_address(endpoint: str | None) -> None:
    """Refuse an endpoint that leads to a link-local address, as clouds' metadata services have.

    A name may lead elsewhere later: what keeps pods from these addresses for good is a NetworkPolicy.

    Raises:
        BadConfig: it does.
    """
    host = urllib.parse.urlsplit(endpoint or "").hostname
    if host is None:
        return
    try:
        found = {str(each[4][0]).partition("%")[0] for each in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    except (OSError, UnicodeError):
        # Said better by the first request.
        return
    for text in found:
        if _is_inner(ipaddress.ip_address(text)):
            raise BadConfig(f"{endpoint}: leads to {text}, which is no S3: correct storage.endpoint")


def _is_inner(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    mapped_v4 = getattr(address, "ipv4_mapped", None)
    if mapped_v4 is not None:
        return _is_inner(mapped_v4)
    return address.is_link_local or address.is_unspecified or address in AWS_METADATA


def _is_loopback(endpoint: str | None) -> bool:
    host = urllib.parse.urlsplit(endpoint or "").hostname or ""
    return host in ("localhost", "::1") or host.startswith("127.")
