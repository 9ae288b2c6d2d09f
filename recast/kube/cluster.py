"""FaceSwapJobs on a cluster, and what belongs to them: all that the command line asks of Kubernetes."""

import queue
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from recast.errors import BadConfig, RecastError
from recast.kube import names
from recast.kube.errors import ApiNotFound, ApiUnavailable, Conflict, Forbidden, Gone, TooManyRequests, Unauthorized
from recast.kube.resource import Resource, read_resource, read_time

if TYPE_CHECKING:
    from recast.kube.api import KubeApi

Object = dict[str, Any]
Key = tuple[str, str]
"""Namespace and name."""

JOBS = (names.API_VERSION, names.PLURAL)
PAUSES = (1.0, 2.0, 5.0, 10.0)
MOST_EVENTS_OF = 20
"""Pods whose events are asked for: those of the others say the same."""


@dataclass(frozen=True)
class Job(Resource):
    """A FaceSwapJob as people ask for it.

    Attributes:
        changed: when its spec was last written.
    """

    changed: datetime | None = None

    @property
    def key(self) -> Key:
        """What no other job on the cluster has at the same time."""
        return self.namespace, self.name

    @property
    def output(self) -> str:
        """Where the result goes."""
        return str(self.spec.get("output", {}).get("uri", ""))

    @property
    def finished(self) -> bool:
        """Whether it has succeeded or failed."""
        return self.status.phase in ("Succeeded", "Failed")


def read_job(item: Object) -> Job:
    """Take what is needed of an object of the API."""
    fields = item["metadata"].get("managedFields", ())
    written = [read_time(each.get("time")) for each in fields if not each.get("subresource")]
    return Job(**vars(read_resource(item)), changed=max(filter(None, written), default=None))


@dataclass(frozen=True)
class Change:
    """News of a namespace's FaceSwapJobs.

    Attributes:
        kind: Listed: `jobs` are all there are. Changed, Deleted: one of them. Silent: the server does not answer.
    """

    kind: Literal["Listed", "Changed", "Deleted", "Silent", "Failed"]
    namespace: str
    jobs: Sequence[Job] = ()
    error: RecastError | None = None


class Cluster:
    """One user at one cluster.

    Args:
        api: the connection.
        namespace: where jobs are that name none.
    """

    def __init__(self, api: "KubeApi", namespace: str) -> None:
        self._api = api
        self.namespace = namespace

    @classmethod
    def connect(
        cls, kubeconfig: Path | None = None, context: str | None = None, namespace: str | None = None
    ) -> "Cluster":
        """Sign in.

        Raises:
            BadConfig: there is no client, no kubeconfig, or none that can be used.
        """
        try:
            # Takes most of a second.
            from recast.kube.api import KubeApi
        except ModuleNotFoundError as error:
            if error.name is None or not error.name.startswith("kubernetes"):
                raise
            raise BadConfig("the Kubernetes client is not installed: install recast[kubernetes]") from error
        api = KubeApi.connect(kubeconfig, context)
        return cls(api, namespace or api.namespace)

    def find(self, name: str, namespace: str | None = None) -> Job | None:
        """A FaceSwapJob; None where there is none."""
        with _worded():
            try:
                return read_job(self._api.get(self._path(name, namespace)))
            except ApiNotFound as error:
                if _lacks_crd(error):
                    raise
                return None

    def jobs(self, namespace: str | None, selector: str | None = None) -> list[Job]:
        """The FaceSwapJobs of a namespace, or of all."""
        return [read_job(each) for each in self.raw_jobs(namespace, selector)]

    def raw_jobs(self, namespace: str | None, selector: str | None = None) -> list[Object]:
        """The same, as the API gives them."""
        return self._list(*JOBS, namespace, label_selector=selector)

    def apply(self, manifest: Object, namespace: str, *, dry_run: bool = False) -> Job:
        """Create a FaceSwapJob, or change what it may be changed in."""
        body = {**manifest, "metadata": {**manifest["metadata"], "namespace": namespace}}
        path = self._path(manifest["metadata"]["name"], namespace)
        with _worded(), _namespace_told(namespace):
            # The file is the truth about its fields, whoever wrote them before.
            written = self._api.apply(path, body, manager=names.SUBMIT_FIELD_MANAGER, force=True, dry_run=dry_run)
        return read_job(written)

    def delete(self, job: Job) -> None:
        """Delete this FaceSwapJob, and none that took its name meanwhile; one that is gone is none too few."""
        with _worded(), suppress(ApiNotFound, Conflict):
            self._api.delete(self._path(job.name, job.namespace), uid=job.uid)

    def stage_jobs(self, job: Job) -> list[Object]:
        """The Jobs of a FaceSwapJob's stages."""
        return self._list("batch/v1", "jobs", job.namespace, label_selector=f"{names.LABEL_UID}={job.uid}")

    def pods(self, job: Job, stage: str | None = None) -> list[Object]:
        """The pods of a FaceSwapJob."""
        selector = f"{names.LABEL_UID}={job.uid}" + (f",{names.LABEL_STAGE}={stage}" if stage else "")
        return self._list("v1", "pods", job.namespace, label_selector=selector)

    def events(self, namespace: str, uids: Sequence[str]) -> list[Object]:
        """The events about some objects."""
        return [
            event
            for uid in uids[:MOST_EVENTS_OF]
            for event in self._list("v1", "events", namespace, field_selector=f"involvedObject.uid={uid}")
        ]

    def log_lines(self, pod: Object, *, follow: bool = False, tail: int | None = None) -> Iterator[str]:
        """What a pod printed, line by line."""
        metadata = pod["metadata"]
        with _worded():
            yield from self._api.log_lines(
                metadata["namespace"], metadata["name"], container=names.CONTAINER, follow=follow, tail=tail
            )

    def changes(self, namespaces: Sequence[str], stop: threading.Event) -> "queue.Queue[Change]":
        """Watch namespaces, each in its own thread, until `stop` is set; a watch that ends is begun anew."""
        news: queue.Queue[Change] = queue.Queue()
        for namespace in namespaces:
            threading.Thread(target=self._watch_for_ever, args=(namespace, news, stop), daemon=True).start()
        return news

    def _watch_for_ever(self, namespace: str, news: "queue.Queue[Change]", stop: threading.Event) -> None:
        failures = 0
        while not stop.is_set():
            try:
                with _worded():
                    for change in self._watch(namespace):
                        failures = 0
                        news.put(change)
                        if stop.is_set():
                            return
            except RecastError as error:
                if not _passes(error):
                    news.put(Change("Failed", namespace, error=error))
                    return
                news.put(Change("Silent", namespace, error=error))
                stop.wait(PAUSES[min(failures, len(PAUSES) - 1)])
                failures += 1
            except Exception as error:
                problem = RecastError(f"{type(error).__name__}: {error} (a bug: please report it)")
                news.put(Change("Failed", namespace, error=problem))
                return

    def _watch(self, namespace: str) -> Iterator[Change]:
        """All jobs, then their changes until the server ends the watch."""
        from recast.kube.api import collection

        path = collection(*JOBS, namespace)
        pages = list(self._api.list(path))
        yield Change("Listed", namespace, [read_job(each) for page in pages for each in page.items])
        version = pages[-1].resource_version
        began = time.monotonic()
        try:
            for event in self._api.watch(path, version):
                if event["type"] in ("ADDED", "MODIFIED"):
                    yield Change("Changed", namespace, [read_job(event["object"])])
                elif event["type"] == "DELETED":
                    yield Change("Deleted", namespace, [read_job(event["object"])])
        except Gone:
            return
        # A server that ends each watch at once is asked no more often than this.
        time.sleep(max(0.0, 1.0 - (time.monotonic() - began)))

    def _list(
        self,
        api_version: str,
        plural: str,
        namespace: str | None,
        *,
        label_selector: str | None = None,
        field_selector: str | None = None,
    ) -> list[Object]:
        from recast.kube.api import collection

        path = collection(api_version, plural, namespace)
        with _worded():
            pages = self._api.list(path, label_selector=label_selector, field_selector=field_selector)
            return [each for page in pages for each in page.items]

    def _path(self, name: str, namespace: str | None) -> str:
        from recast.kube.api import item

        return item(*JOBS, namespace or self.namespace, name)


@contextmanager
def _worded() -> Iterator[None]:
    """Say what to do about answers that leave it open."""
    try:
        yield
    except Forbidden as error:
        # Of a role: "User ... cannot create ...". Admission policies refuse in their own words.
        if " cannot " not in str(error):
            raise
        raise Forbidden(f"{error}: ask for a role that allows it", status=error.status) from error
    except Unauthorized as error:
        raise Unauthorized(f"{error}: log in again, or choose another --context", status=error.status) from error
    except ApiUnavailable as error:
        raise ApiUnavailable(f"{error}: check --context and the network", status=error.status) from error
    except ApiNotFound as error:
        if not _lacks_crd(error):
            raise
        message = f"the cluster knows no {names.KIND}: install recast's CRD, or choose another --context"
        raise BadConfig(message) from error


@contextmanager
def _namespace_told(namespace: str) -> Iterator[None]:
    """Say of an object that cannot be made for want of its namespace what to do."""
    try:
        yield
    except ApiNotFound as error:
        if _lacks_crd(error):
            raise
        message = f"there is no namespace {namespace}: make it, or give -n NAMESPACE"
        raise ApiNotFound(message, status=error.status) from error


def _lacks_crd(error: RecastError) -> bool:
    return "could not find the requested resource" in str(error) or "page not found" in str(error)


def _passes(error: RecastError) -> bool:
    """Whether it may go better in a moment."""
    return isinstance(error, ApiUnavailable | Gone | TooManyRequests)
