"""The Kubernetes API as raw JSON: the official client's configuration, credentials and connections, nothing else of it.

Its typed models cost twelve times as much, its watch and leader election are not fit for a controller.
"""

import json
import os
import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode

import urllib3
import yaml
from kubernetes.client.configuration import Configuration
from kubernetes.client.rest import RESTClientObject
from kubernetes.config import ConfigException, list_kube_config_contexts, load_incluster_config, load_kube_config
from urllib3.exceptions import HTTPError

from recast.errors import BadConfig
from recast.kube.errors import ApiUnavailable, TooManyRequests, error_of

Object = dict[str, Any]
Counted = Callable[[str, str, int, float], None]
"""Told of each request: method, resource, status (0: no answer), seconds."""

JSON = "application/json"
MERGE = "application/merge-patch+json"
APPLY = "application/apply-patch+yaml"
PAGE = 500
CONNECT_SECONDS = 5.0
READ_SECONDS = 30.0
ATTEMPTS = 4
MOST_PAUSE_SECONDS = 30.0
WATCH_SECONDS = 60
"""The server ends a watch after so long. Short, so that a dead one is noticed soon."""
DEAD_SECONDS = 10.0
"""A watch that goes on for so long after its end is dead."""
NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")

NO_KUBECONFIG = "No configuration found"
"""How the client says that there is no file."""


@dataclass(frozen=True)
class Patience:
    """How long to wait.

    Attributes:
        read_seconds: for one answer.
        attempts: at one request, where it may be sent again.
    """

    read_seconds: float = READ_SECONDS
    attempts: int = ATTEMPTS


@dataclass(frozen=True)
class Page:
    """A page of a list."""

    items: list[Object]
    resource_version: str


def collection(api_version: str, plural: str, namespace: str | None = None) -> str:
    """The path of a collection; of all namespaces where none is given.

    >>> collection("batch/v1", "jobs", "renders")
    '/apis/batch/v1/namespaces/renders/jobs'
    """
    root = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
    return f"{root}/namespaces/{namespace}/{plural}" if namespace else f"{root}/{plural}"


def item(api_version: str, plural: str, namespace: str, name: str) -> str:
    """The path of an object."""
    return f"{collection(api_version, plural, namespace)}/{name}"


class KubeApi:
    """One user at one API server; threads may share it.

    Args:
        configuration: the official client's.
        namespace: where objects are that name none.
        counted: told of each request.
        patience: how long to wait for answers.
    """

    def __init__(
        self,
        configuration: Configuration,
        namespace: str,
        counted: Counted | None = None,
        patience: Patience | None = None,
    ) -> None:
        self._patience = patience or Patience()
        configuration.connection_pool_maxsize = 16
        self._configuration = configuration
        self._pool: urllib3.PoolManager = RESTClientObject(configuration).pool_manager
        self._server = str(configuration.host).rstrip("/")
        self._counted = counted
        self.namespace = namespace

    @classmethod
    def connect(
        cls,
        kubeconfig: Path | None = None,
        context: str | None = None,
        counted: Counted | None = None,
        patience: Patience | None = None,
    ) -> Self:
        """Sign in by a kubeconfig, given or named by $KUBECONFIG; else as the pod's account; else by ~/.kube/config.

        Raises:
            BadConfig: there is neither, or it cannot be used.
        """
        configuration = Configuration()
        file = str(kubeconfig) if kubeconfig else os.environ.get("KUBECONFIG") or None
        if file is None and context is None and NAMESPACE_FILE.exists():
            try:
                load_incluster_config(configuration)  # type: ignore[no-untyped-call]
            except ConfigException as error:
                raise BadConfig(f"the pod's service account cannot be used: {error}") from error
            return cls(configuration, NAMESPACE_FILE.read_text().strip(), counted, patience)
        try:
            load_kube_config(file, context=context, client_configuration=configuration)  # type: ignore[no-untyped-call]
            contexts, current = list_kube_config_contexts(file)  # type: ignore[no-untyped-call]
        except (ConfigException, OSError, ValueError, TypeError, yaml.YAMLError) as error:
            place = file or "$KUBECONFIG or ~/.kube/config"
            why = "there is no such file" if NO_KUBECONFIG in str(error) else str(error).rstrip(".")
            raise BadConfig(f"{place}: no cluster to talk to: {why}: give --kubeconfig FILE") from error
        chosen = next((each for each in contexts if each["name"] == context), current)
        return cls(configuration, chosen["context"].get("namespace", "default"), counted, patience)

    def get(self, path: str) -> Object:
        """Read an object."""
        return self._json("GET", path)

    def list(
        self, path: str, *, label_selector: str | None = None, field_selector: str | None = None
    ) -> Iterator[Page]:
        """Read a collection, page by page."""
        query = {"limit": str(PAGE), "labelSelector": label_selector, "fieldSelector": field_selector}
        going_on: str | None = None
        while True:
            answer = self._json("GET", path, query=query | {"continue": going_on})
            metadata = answer["metadata"]
            yield Page(answer.get("items") or [], metadata.get("resourceVersion", ""))
            going_on = metadata.get("continue")
            if not going_on:
                return

    def create(self, path: str, body: Object, *, dry_run: bool = False) -> Object:
        """Create an object in the collection at `path`; only see whether that could be done, in a dry run.

        Raises:
            AlreadyExists: there is one of this name.
        """
        return self._json("POST", path, body, query={"dryRun": "All" if dry_run else None})

    def replace(self, path: str, body: Object) -> Object:
        """Write an object whole; its resourceVersion must be the present one."""
        return self._json("PUT", path, body)

    def patch(self, path: str, body: Object) -> Object:
        """Change some fields, by a JSON merge patch."""
        return self._json("PATCH", path, body, MERGE)

    def apply(self, path: str, body: Object, *, manager: str, force: bool = False, dry_run: bool = False) -> Object:
        """Say what the fields of `manager` are to be, by server-side apply; unknown fields are refused."""
        query = {
            "fieldManager": manager,
            "fieldValidation": "Strict",
            "force": "true" if force else None,
            "dryRun": "All" if dry_run else None,
        }
        return self._json("PATCH", path, body, APPLY, query)

    def delete(self, path: str, *, uid: str) -> None:
        """Delete the object that has this UID, and in the background what it owns."""
        kind = {"apiVersion": "v1", "kind": "DeleteOptions"}
        self._json("DELETE", path, kind | {"propagationPolicy": "Background", "preconditions": {"uid": uid}})

    def watch(
        self, path: str, resource_version: str, *, label_selector: str | None = None, seconds: int = WATCH_SECONDS
    ) -> Iterator[Object]:
        """Hear of changes since `resource_version`, bookmarks among them, until the server ends it.

        Raises:
            Gone: the version is too old: list again.
            ApiUnavailable: the connection broke, or nothing came for longer than the server may be silent.
        """
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": str(seconds),
            "labelSelector": label_selector,
        }
        with self._open(path, query, seconds + DEAD_SECONDS) as lines:
            for line in lines:
                try:
                    event = json.loads(line)
                    kind = event["type"]
                except (ValueError, KeyError, TypeError) as error:
                    raise ApiUnavailable(f"watch {path}: an answer is no event: {line[:100]!r}") from error
                if kind == "ERROR":
                    status = event["object"]
                    raise error_of(f"watch {path}", status.get("code", 500), json.dumps(status).encode(), None)
                yield event

    def log_lines(
        self, namespace: str, pod: str, *, container: str, follow: bool = False, tail: int | None = None
    ) -> Iterator[str]:
        """What a pod's container printed, line by line."""
        query = {
            "container": container,
            "follow": "true" if follow else None,
            "tailLines": str(tail) if tail is not None else None,
        }
        path = item("v1", "pods", namespace, pod) + "/log"
        with self._open(path, query, None if follow else READ_SECONDS) as lines:
            for line in lines:
                yield line.decode(errors="replace")

    def _json(
        self,
        method: str,
        path: str,
        body: Object | None = None,
        content_type: str = JSON,
        query: Mapping[str, str | None] | None = None,
    ) -> Object:
        # A create that was sent may have been done: only the caller knows what a second one means.
        repeatable = method in ("GET", "PUT", "DELETE") or content_type == APPLY
        last = self._patience.attempts - 1
        for attempt in range(self._patience.attempts):
            try:
                return self._once(method, path, body, content_type, query)
            except TooManyRequests as error:
                pause = error.retry_after_seconds
                if attempt == last:
                    raise
            except ApiUnavailable:
                pause = 0.25 * 2**attempt
                if attempt == last or not repeatable:
                    raise
            # Never sooner than the server asked for.
            time.sleep(min(MOST_PAUSE_SECONDS, pause) * random.uniform(1.0, 1.2))  # noqa: S311  # a pause is no secret
        raise AssertionError("the loop ends by itself")

    def _once(
        self, method: str, path: str, body: Object | None, content_type: str, query: Mapping[str, str | None] | None
    ) -> Object:
        answer = self._send(method, path, body, content_type, query, self._patience.read_seconds)
        try:
            data = answer.read()
        except (HTTPError, OSError) as error:
            raise ApiUnavailable(f"{method} {path}: the answer broke off: {error}") from error
        finally:
            answer.release_conn()
        if answer.status >= 400:
            raise error_of(f"{method} {path}", answer.status, data, answer.headers.get("Retry-After"))
        try:
            found: Object = json.loads(data)
        except ValueError as error:
            raise ApiUnavailable(f"{method} {path}: the answer is no JSON: is {self._server} an API server?") from error
        return found

    def _open(self, path: str, query: Mapping[str, str | None], read_seconds: float | None) -> "_Lines":
        answer = self._send("GET", path, None, JSON, query, read_seconds)
        if answer.status >= 400:
            try:
                data = answer.read()
            except (HTTPError, OSError):
                # The status says enough.
                data = b""
            finally:
                answer.release_conn()
            raise error_of(f"GET {path}", answer.status, data, answer.headers.get("Retry-After"))
        return _Lines(path, answer)

    def _send(
        self,
        method: str,
        path: str,
        body: Object | None,
        content_type: str,
        query: Mapping[str, str | None] | None,
        read_seconds: float | None,
    ) -> urllib3.BaseHTTPResponse:
        started, status = time.monotonic(), 0
        wanted = {key: value for key, value in (query or {}).items() if value is not None}
        url = f"{self._server}{path}" + (f"?{urlencode(wanted)}" if wanted else "")
        try:
            answer = self._pool.request(
                method,
                url,
                body=None if body is None else json.dumps(body).encode(),
                headers=self._headers(content_type),
                timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=read_seconds),
                retries=False,
                preload_content=False,
            )
            status = answer.status
        except (HTTPError, OSError) as error:
            raise ApiUnavailable(f"{self._server}: the API server does not answer: {error}") from error
        finally:
            if self._counted is not None:
                self._counted(method, _resource(path), status, time.monotonic() - started)
        return answer

    def _headers(self, content_type: str) -> dict[str, str]:
        headers = {"Accept": JSON, "Content-Type": content_type, "User-Agent": "recast"}
        # Asked each time: a service account's token is renewed on disk.
        token = self._configuration.get_api_key_with_prefix("BearerToken", alias="authorization")
        if token:
            headers["Authorization"] = token
        return headers


class _Lines:
    """The lines of an answer that goes on and on; closes its connection, which cannot be used again."""

    def __init__(self, path: str, answer: urllib3.BaseHTTPResponse) -> None:
        self._path, self._answer = path, answer

    def __enter__(self) -> Iterator[bytes]:
        return self._read()

    def __exit__(self, *_: object) -> None:
        self._answer.close()

    def _read(self) -> Iterator[bytes]:
        rest = b""
        try:
            for piece in self._answer.stream(None, decode_content=True):
                *lines, rest = (rest + piece).split(b"\n")
                yield from filter(None, lines)
        except (HTTPError, OSError) as error:
            raise ApiUnavailable(f"{self._path}: the connection broke: {error}") from error
        if rest:
            yield rest


def _resource(path: str) -> str:
    """What a path is about, without names: for counting."""
    words = [word for word in path.split("/") if word]
    if "namespaces" in words[:-1]:
        words = words[words.index("namespaces") + 2 :]
        return "/".join(words[::2][:2]) if words else "namespaces"
    return words[-1] if words else "/"
