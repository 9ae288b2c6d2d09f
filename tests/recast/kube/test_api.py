import json
from pathlib import Path

import pytest
from kubernetes.client.configuration import Configuration

from recast.errors import BadConfig
from recast.kube import api as kubeapi
from recast.kube.api import KubeApi, collection, item
from recast.kube.errors import (
    AlreadyExists,
    ApiError,
    ApiNotFound,
    ApiUnavailable,
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    TooManyRequests,
    Unauthorized,
)
from tests.fakeapi import Answer, FakeApi, refusal

JOBS = collection("batch/v1", "jobs", "studio")
JOB = item("batch/v1", "jobs", "studio", "a")


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Between tries; nobody waits for them."""
    seen: list[float] = []
    monkeypatch.setattr("recast.kube.api.time.sleep", seen.append)
    return seen


def page(*names: str, version: str = "7", going_on: str = "") -> Answer:
    metadata = {"resourceVersion": version} | ({"continue": going_on} if going_on else {})
    return Answer({"metadata": metadata, "items": [{"metadata": {"name": name}} for name in names]})


def test_a_collection_comes_page_by_page() -> None:
    with FakeApi(page("a", "b", going_on="more"), page("c", version="9")) as fake:
        pages = list(fake.client().list(JOBS, label_selector="x=y"))
    assert [each["metadata"]["name"] for one in pages for each in one.items] == ["a", "b", "c"]
    assert [one.resource_version for one in pages] == ["7", "9"]
    assert [asked.query.get("continue") for asked in fake.asked] == [None, "more"]
    assert all(asked.query["labelSelector"] == "x=y" and int(asked.query["limit"]) > 0 for asked in fake.asked)


def test_an_empty_collection_has_no_items() -> None:
    with FakeApi(Answer({"metadata": {}, "items": None})) as fake:
        assert [one.items for one in fake.client().list(JOBS)] == [[]]


@pytest.mark.parametrize(
    ("call", "method", "query", "content"),
    [
        (lambda api: api.get(JOB), "GET", {}, "application/json"),
        (lambda api: api.create(JOBS, {"a": 1}), "POST", {}, "application/json"),
        (lambda api: api.create(JOBS, {}, dry_run=True), "POST", {"dryRun": "All"}, "application/json"),
        (lambda api: api.replace(JOB, {}), "PUT", {}, "application/json"),
        (lambda api: api.patch(JOB, {}), "PATCH", {}, "application/merge-patch+json"),
        (
            lambda api: api.apply(JOB, {}, manager="m", force=True),
            "PATCH",
            {"fieldManager": "m", "fieldValidation": "Strict", "force": "true"},
            "application/apply-patch+yaml",
        ),
    ],
)
def test_each_call_is_what_the_api_knows_it_as(call: object, method: str, query: dict[str, str], content: str) -> None:
    with FakeApi(Answer({"kind": "Job"})) as fake:
        assert call(fake.client()) == {"kind": "Job"}  # type: ignore[operator]
    (asked,) = fake.asked
    assert (asked.method, asked.query, asked.headers["Content-Type"]) == (method, query, content)


def test_a_delete_may_name_the_one_it_means() -> None:
    with FakeApi(Answer()) as fake:
        fake.client().delete(JOB, uid="u-1")
    assert fake.asked[0].body["preconditions"] == {"uid": "u-1"}
    assert fake.asked[0].body["propagationPolicy"] == "Background"


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        (refusal(400), Invalid, 64),
        (refusal(401), Unauthorized, 78),
        (refusal(403), Forbidden, 78),
        (refusal(404), ApiNotFound, 66),
        (refusal(409), Conflict, 75),
        (refusal(409, "AlreadyExists"), AlreadyExists, 75),
        (refusal(410), Gone, 75),
        (refusal(422), Invalid, 64),
        (refusal(418), ApiError, 75),
    ],
)
def test_a_refusal_is_an_error_that_says_what_to_do_and_is_not_asked_again(
    answer: Answer, kind: type[ApiError], code: int, pauses: list[float]
) -> None:
    with FakeApi(answer) as fake, pytest.raises(ApiError, match=r"GET /apis/batch/v1.* no") as refused:
        fake.client().get(JOB)
    assert type(refused.value) is kind and refused.value.exit_code == code
    assert len(fake.asked) == 1 and not pauses


def test_a_refusal_tells_its_cause() -> None:
    causes = [{"reason": "NamespaceTerminating"}]
    with FakeApi(refusal(403, "Forbidden", causes=causes)) as fake, pytest.raises(Forbidden) as refused:
        fake.client().create(JOBS, {})
    assert refused.value.has_cause("NamespaceTerminating") and not refused.value.has_cause("Other")


@pytest.mark.parametrize("sick", [refusal(500), refusal(503), Answer("{", cut=True), Answer("<html>")])
def test_a_server_in_trouble_is_asked_again_with_growing_pauses(sick: Answer, pauses: list[float]) -> None:
    with FakeApi(sick, sick, Answer({"ok": 1})) as fake:
        assert fake.client().get(JOB) == {"ok": 1}
    assert len(fake.asked) == 3
    assert 0 < pauses[0] < pauses[1]


def test_it_is_not_asked_for_ever(pauses: list[float]) -> None:
    with FakeApi(refusal(500)) as fake, pytest.raises(ApiUnavailable):
        fake.client().get(JOB)
    assert len(fake.asked) == 4 == len(pauses) + 1


def test_a_create_that_may_have_been_done_is_not_sent_again(pauses: list[float]) -> None:
    with FakeApi(refusal(500)) as fake, pytest.raises(ApiUnavailable):
        fake.client().create(JOBS, {})
    assert len(fake.asked) == 1


@pytest.mark.parametrize(
    "busy", [Answer({}, 429, {"Retry-After": "3"}), refusal(429, retryAfterSeconds=3)], ids=["header", "details"]
)
def test_a_busy_server_says_when_to_come_back(busy: Answer, pauses: list[float]) -> None:
    with FakeApi(busy, Answer({"ok": 1})) as fake:
        assert fake.client().create(JOBS, {}) == {"ok": 1}
    assert pauses == [pytest.approx(3, rel=0.25)]


def test_a_server_that_stays_busy_is_given_up(pauses: list[float]) -> None:
    with FakeApi(refusal(429)) as fake, pytest.raises(TooManyRequests):
        fake.client().get(JOB)
    assert len(fake.asked) == 4


def test_nobody_there(pauses: list[float]) -> None:
    with FakeApi() as fake:
        api = fake.client()
    with pytest.raises(ApiUnavailable, match="does not answer"):
        api.get(JOB)


def event(type_: str, version: str) -> dict[str, object]:
    return {"type": type_, "object": {"metadata": {"resourceVersion": version}}}


def test_a_watch_hears_of_changes_and_bookmarks_until_its_end() -> None:
    events = [event("ADDED", "8"), event("BOOKMARK", "9")]
    with FakeApi(Answer(events)) as fake:
        assert list(fake.client().watch(JOBS, "7", seconds=3)) == events
    query = fake.asked[0].query
    assert (query["resourceVersion"], query["timeoutSeconds"], query["allowWatchBookmarks"]) == ("7", "3", "true")


def test_lines_come_whole_however_they_were_cut_up() -> None:
    first, second = event("ADDED", "8"), event("ADDED", "9")
    text = (json.dumps(first) + "\n\n" + json.dumps(second) + "\n").encode()
    with FakeApi(Answer([text[:5], text[5:60], text[60:70], text[70:]])) as fake:
        assert list(fake.client().watch(JOBS, "7")) == [first, second]


def test_a_watch_that_is_too_old_says_so_in_a_line_or_at_once() -> None:
    line = {"type": "ERROR", "object": {"code": 410, "reason": "Expired", "message": "too old"}}
    for answer in (Answer([event("ADDED", "8"), line]), refusal(410, "Expired")):
        with FakeApi(answer) as fake, pytest.raises(Gone):
            list(fake.client().watch(JOBS, "1"))


def test_a_watch_that_breaks_is_an_error() -> None:
    with FakeApi(Answer([event("ADDED", "8")], cut=True)) as fake, pytest.raises(ApiUnavailable, match="broke"):
        list(fake.client().watch(JOBS, "7"))


def test_a_half_open_watch_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kubeapi, "DEAD_SECONDS", 0.1)
    with FakeApi(Answer([], silent_seconds=0.4)) as fake, pytest.raises(ApiUnavailable):
        list(fake.client().watch(JOBS, "7", seconds=0))


def test_a_watch_that_falls_silent_gives_what_it_had(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kubeapi, "DEAD_SECONDS", 0.1)
    heard = []
    with FakeApi(Answer([event("ADDED", "8")], cut=True, held_seconds=5)) as fake, pytest.raises(ApiUnavailable):
        for each in fake.client().watch(JOBS, "7", seconds=0):
            heard.append(each["type"])  # noqa: PERF401  # it ends by an error
    assert heard == ["ADDED"]


def test_a_list_that_grew_too_old_between_its_pages_says_so() -> None:
    with FakeApi(page("a", going_on="more"), refusal(410, "Expired")) as fake, pytest.raises(Gone):
        list(fake.client().list(JOBS))


def test_of_patches_only_an_apply_is_sent_again(pauses: list[float]) -> None:
    with FakeApi(refusal(500), Answer({"ok": 1})) as fake:
        assert fake.client().apply(JOB, {}, manager="m") == {"ok": 1}
    with FakeApi(refusal(500), Answer({"ok": 1})) as fake, pytest.raises(ApiUnavailable):
        fake.client().patch(JOB, {})
    assert len(fake.asked) == 1


def test_a_server_that_wants_an_hour_is_asked_sooner(pauses: list[float]) -> None:
    with FakeApi(Answer({}, 429, {"Retry-After": "3600"}), Answer({"ok": 1})) as fake:
        fake.client().get(JOB)
    assert 0 < pauses[0] <= 1.2 * kubeapi.MOST_PAUSE_SECONDS


def test_log_lines() -> None:
    with FakeApi(Answer("one\ntwo\nrest")) as fake:
        assert list(fake.client().log_lines("studio", "p", container="stage", tail=5)) == ["one", "two", "rest"]
    assert fake.asked[0].path.endswith("/pods/p/log") and fake.asked[0].query == {
        "container": "stage",
        "tailLines": "5",
    }


@pytest.mark.parametrize(
    ("text", "says"),
    [(None, "no such file"), ("a: [", "no cluster"), ("", "is empty"), ("- 1", "no cluster")],
    ids=["missing", "no YAML", "empty", "a list"],
)
def test_a_kubeconfig_that_cannot_be_used_is_named(text: str | None, says: str, tmp_path: Path) -> None:
    path = tmp_path / "config"
    if text is not None:
        path.write_text(text)
    with pytest.raises(BadConfig, match=says) as refused:
        KubeApi.connect(path)
    assert str(path) in str(refused.value)


KUBECONFIG = """
current-context: one
contexts:
- {name: one, context: {cluster: c, user: u}}
- {name: two, context: {cluster: c, user: u, namespace: studio}}
clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: u, user: {token: sesame}}]
"""


def test_a_context_gives_the_namespace_and_who_asks(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(KUBECONFIG)
    assert KubeApi.connect(path).namespace == "default"
    api = KubeApi.connect(path, "two")
    assert api.namespace == "studio"
    assert api._headers("x")["Authorization"] == "Bearer sesame"
    with pytest.raises(BadConfig, match="three.*--kubeconfig"):
        KubeApi.connect(path, "three")


def test_a_pod_is_its_service_account_whose_token_is_read_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    namespace = tmp_path / "namespace"
    namespace.write_text("recast-system\n")
    tokens = iter(("first", "second"))

    def load(configuration: Configuration) -> None:
        configuration.api_key["authorization"] = "none yet"
        configuration.api_key_prefix["authorization"] = "Bearer"
        hook = lambda it: it.api_key.update(authorization=next(tokens))  # noqa: E731
        monkeypatch.setattr(configuration, "refresh_api_key_hook", hook)

    monkeypatch.setattr(kubeapi, "NAMESPACE_FILE", namespace)
    monkeypatch.setattr(kubeapi, "load_incluster_config", load)
    monkeypatch.delenv("KUBECONFIG", raising=False)
    api = KubeApi.connect()
    assert api.namespace == "recast-system"
    assert [api._headers("x")["Authorization"] for _ in range(2)] == ["Bearer first", "Bearer second"]


def test_in_a_pod_too_a_kubeconfig_that_is_named_is_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "namespace").write_text("recast-system")
    (tmp_path / "config").write_text(KUBECONFIG)
    monkeypatch.setattr(kubeapi, "NAMESPACE_FILE", tmp_path / "namespace")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    assert KubeApi.connect().namespace == "default"


def test_a_pod_without_a_token_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "namespace").write_text("recast-system")
    monkeypatch.setattr(kubeapi, "NAMESPACE_FILE", tmp_path / "namespace")
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.delenv("KUBECONFIG", raising=False)
    with pytest.raises(BadConfig, match="service account"):
        KubeApi.connect()


@pytest.mark.parametrize(
    ("path", "resource"),
    [
        (JOBS, "jobs"),
        (JOB, "jobs"),
        (item("recast.video/v1alpha1", "faceswapjobs", "a", "b") + "/status", "faceswapjobs/status"),
        (collection("batch/v1", "jobs"), "jobs"),
        ("/version", "version"),
    ],
)
def test_requests_are_counted_by_what_they_are_about(path: str, resource: str) -> None:
    seen: list[tuple[str, str, int]] = []
    with FakeApi() as fake:
        api = fake.client()
        counted = KubeApi(api._configuration, "studio", lambda verb, what, status, _: seen.append((verb, what, status)))
        counted.get(path)
    assert seen == [("GET", resource, 200)]


def test_a_refused_watch_that_breaks_off_is_still_the_refusal() -> None:
    with FakeApi(Answer("{", 503, cut=True)) as fake, pytest.raises(ApiUnavailable, match="503"):
        list(fake.client().watch(JOBS, "7"))


@pytest.mark.parametrize("line", ["<html>", '{"no": "type"}', "[1]"])
def test_a_watch_of_something_else_is_an_error_of_ours(line: str) -> None:
    with FakeApi(Answer(f"{line}\n")) as fake, pytest.raises(ApiUnavailable, match="no event"):
        list(fake.client().watch(JOBS, "7"))


def test_patience_is_what_was_asked_for(pauses: list[float]) -> None:
    with FakeApi(Answer({}, silent_seconds=0.5)) as fake:
        api = fake.client()
        api._patience = kubeapi.Patience(read_seconds=0.05, attempts=1)
        with pytest.raises(ApiUnavailable):
            api.get(JOB)
    assert not pauses
