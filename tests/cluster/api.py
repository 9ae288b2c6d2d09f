"""A tiny client of the Kubernetes API: HTTPS and JSON, nothing else.

The project's own client is what the tests are about, so they do not lean on it.
"""

import base64
import http.client
import json
import os
import ssl
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

Json = dict[str, Any]

JSON = "application/json"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"
REQUEST_SECONDS = 20.0


class ApiError(Exception):
    """The API refused.

    Attributes:
        status: of HTTP.
        reason: Kubernetes' word, such as NotFound.
    """

    def __init__(self, method: str, path: str, status: int, body: bytes) -> None:
        self.status = status
        try:
            answer = json.loads(body)
        except ValueError:
            answer = {}
        self.reason = answer.get("reason", "") if isinstance(answer, dict) else ""
        message = answer.get("message") if isinstance(answer, dict) else None
        super().__init__(f"{method} {path}: {status} {message or body[:300].decode(errors='replace')}")


@dataclass(frozen=True)
class Api:
    """One user at one API server. A connection is made for each request: nothing to mend after a restart.

    Attributes:
        server: https://HOST:PORT.
        context: of TLS; holds the client's certificate where there is one.
        headers: of each request.
        timeout: of each request, in seconds.
    """

    server: str
    context: ssl.SSLContext
    headers: Mapping[str, str]
    timeout: float = REQUEST_SECONDS

    def request(
        self, method: str, path: str, body: object = None, content_type: str = JSON, timeout: float | None = None
    ) -> Any:
        """Send a request; give the decoded answer, or its text where it is not JSON.

        Raises:
            ApiError: the server refused.
            OSError: the server cannot be reached.
        """
        answer, status, kind = self._exchange(method, path, body, content_type, timeout)
        if status >= 400:
            raise ApiError(method, path, status, answer)
        return json.loads(answer) if kind.startswith(JSON) else answer.decode()

    def get(self, path: str) -> Any:
        """Read."""
        return self.request("GET", path)

    def find(self, path: str) -> Any:
        """Read; None where there is nothing."""
        try:
            return self.get(path)
        except ApiError as error:
            if error.status == http.HTTPStatus.NOT_FOUND:
                return None
            raise

    def create(self, path: str, body: Json) -> Any:
        """Make an object in the collection at `path`."""
        return self.request("POST", path, body)

    def merge(self, path: str, body: Json) -> Any:
        """Change by a JSON merge patch."""
        return self.request("PATCH", path, body, MERGE)

    def strategic(self, path: str, body: Json) -> Any:
        """Change by a strategic merge patch: conditions are merged by their type."""
        return self.request("PATCH", path, body, STRATEGIC)

    def delete(self, path: str, **options: object) -> Any:
        """Delete; options are those of DeleteOptions. Nothing happens where there is nothing."""
        try:
            return self.request("DELETE", path, {"kind": "DeleteOptions", "apiVersion": "v1", **options})
        except ApiError as error:
            if error.status == http.HTTPStatus.NOT_FOUND:
                return None
            raise

    def _exchange(
        self, method: str, path: str, body: object, content_type: str, timeout: float | None
    ) -> tuple[bytes, int, str]:
        where = urlsplit(self.server)
        connection = http.client.HTTPSConnection(
            where.hostname or "", where.port, context=self.context, timeout=timeout or self.timeout
        )
        try:
            data = None if body is None else json.dumps(body).encode()
            headers = {"Accept": JSON, "Connection": "close", **self.headers}
            if data is not None:
                headers["Content-Type"] = content_type
            connection.request(method, where.path.rstrip("/") + path, data, headers)
            response = connection.getresponse()
            return response.read(), response.status, response.headers.get("Content-Type", "")
        finally:
            connection.close()


def from_certificates(server: str, authority: Path, certificate: Path, key: Path, agent: str) -> Api:
    """Give a client that shows a certificate."""
    context = ssl.create_default_context(cafile=str(authority))
    context.load_cert_chain(certificate, key)
    return Api(server, context, {"User-Agent": agent})


def from_kubeconfig(path: Path, agent: str) -> Api:
    """Give a client of a kubeconfig's current context: by certificate, token, or a command that gives one.

    Raises:
        ValueError: the kubeconfig names no cluster, or a way to sign in that is not known here.
    """
    config = yaml.safe_load(path.read_text())
    contexts = {each["name"]: each["context"] for each in config.get("contexts") or ()}
    try:
        context = contexts[config["current-context"]]
        cluster = next(each["cluster"] for each in config["clusters"] if each["name"] == context["cluster"])
        user = next(each["user"] for each in config["users"] if each["name"] == context["user"])
    except (KeyError, StopIteration) as error:
        raise ValueError(f"{path}: its current context names no cluster and user; choose one") from error
    if "exec" in user:
        user = _asked(user["exec"], path)
    return _signed_in(path, cluster, user, agent)


def _signed_in(path: Path, cluster: Json, user: Json, agent: str) -> Api:
    headers = {"User-Agent": agent}
    data = _data(path, cluster, "certificate-authority")
    tls = ssl.create_default_context(cadata=data.decode()) if data else ssl.create_default_context()
    if cluster.get("insecure-skip-tls-verify"):
        tls.check_hostname = False
        tls.verify_mode = ssl.CERT_NONE
    certificate, key = _data(path, user, "client-certificate"), _data(path, user, "client-key")
    token = user.get("token")
    if token is None and "tokenFile" in user:
        token = (path.parent / user["tokenFile"]).read_text().strip()
    if certificate and key:
        # OpenSSL reads them from a file only.
        with tempfile.NamedTemporaryFile() as pem:
            pem.write(certificate + b"\n" + key)
            pem.flush()
            tls.load_cert_chain(pem.name)
    elif token:
        headers["Authorization"] = f"Bearer {token}"
    else:
        raise ValueError(f"{path}: no client certificate, token or exec command in it; choose another user")
    return Api(cluster["server"], tls, headers)


def _data(path: Path, holder: Json, name: str) -> bytes | None:
    if f"{name}-data" in holder:
        return base64.b64decode(holder[f"{name}-data"])
    return (path.parent / holder[name]).read_bytes() if name in holder else None


def _asked(plugin: Json, path: Path) -> Json:
    """Run the command that gives credentials."""
    environment = os.environ | {each["name"]: each["value"] for each in plugin.get("env") or ()}
    info = {"apiVersion": plugin["apiVersion"], "kind": "ExecCredential", "spec": {"interactive": False}}
    environment["KUBERNETES_EXEC_INFO"] = json.dumps(info)
    command = [plugin["command"], *(plugin.get("args") or ())]
    done = subprocess.run(command, env=environment, cwd=path.parent, capture_output=True, text=True, timeout=60)
    if done.returncode:
        raise ValueError(f"{path}: {command[0]} gave no credentials: {done.stderr.strip()[-300:]}")
    status = json.loads(done.stdout)["status"]
    given = {"token": status.get("token")}
    for ours, theirs in (("client-certificate-data", "clientCertificateData"), ("client-key-data", "clientKeyData")):
        if theirs in status:
            given[ours] = base64.b64encode(status[theirs].encode()).decode()
    return given
