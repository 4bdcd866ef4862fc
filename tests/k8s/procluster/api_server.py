"""The API over HTTPS: who asks, whether a Role allows it, and the answer. It speaks as far as the official client reads.

Not spoken: watch, patch, update, paging (everything fits one page), tables, protobuf.
"""

from __future__ import annotations

import json
import secrets
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from .admission import Admission
from .objects import KINDS, RESOURCES, ApiError, Object, Resource, Store

ADMIN = "system:admin"
VERSION = {"major": "1", "minor": "37", "gitVersion": "v1.37.0"}
Logs = Callable[[Object, int | None], str]
"""Log of a pod, its last lines only when a number is given."""


class Asked(NamedTuple):
    """One request, as roles see it."""

    user: str
    verb: str
    resource: Resource
    subresource: str
    namespace: str
    name: str
    code: int = 0

    @property
    def what(self) -> str:
        return "/".join(part for part in (self.resource.plural, self.subresource) if part)


class Api:
    """Answers requests; `serve` puts it behind a port."""

    def __init__(self, store: Store, admission: Admission, logs: Logs) -> None:
        self.store, self._admission, self._logs = store, admission, logs
        self._users: dict[str, str] = {}
        self.audit: list[Asked] = []

    def token(self, user: str) -> str:
        """A new bearer token of a user."""
        token = secrets.token_urlsafe(24)
        self._users[token] = user
        return token

    def create(self, one: Object) -> Object:
        """Store an object after admission, as every request does."""
        self._admission.check(one)
        return self.store.create(one)

    def answer(self, method: str, target: str, authorization: str, body: Object | None) -> Object | str:
        """The answer to one request; what was asked goes onto the audit list.

        Raises:
            ApiError: anything but a success.
        """
        scheme, _, token = authorization.partition(" ")
        user = self._users.get(token) if scheme.lower() == "bearer" else None
        if user is None:
            raise ApiError(401, "Unauthorized", "Unauthorized")
        split = urlsplit(target)
        if split.path in {"/version", "/version/"}:
            return dict(VERSION)
        query = {key: values[-1] for key, values in parse_qs(split.query).items()}
        asked = parsed(user, method, split.path)
        try:
            self._authorise(asked)
            answer = self._do(asked, query, body)
        except ApiError as error:
            self.audit.append(asked._replace(code=error.code))
            raise
        self.audit.append(asked._replace(code=200))
        return answer

    def _authorise(self, asked: Asked) -> None:
        if asked.user != ADMIN and not is_allowed(self.store, asked):
            raise ApiError(403, "Forbidden", _forbidden(asked))

    def _do(self, asked: Asked, query: dict[str, str], body: Object | None) -> Object | str:
        kind, namespace, name = asked.resource.kind, asked.namespace, asked.name
        if query.get("watch") in {"1", "true"}:
            raise ApiError(400, "BadRequest", "the process cluster has no watch")
        if asked.verb == "create":
            return self.create(_completed(body or {}, asked))
        if asked.verb == "list":
            found = self.store.list(kind, namespace, query.get("labelSelector", ""), query.get("fieldSelector", ""))
            return {"kind": f"{kind}List", "apiVersion": asked.resource.api_version, "metadata": {}, "items": found}
        if asked.verb == "get" and asked.what == "pods/log":
            lines = query.get("tailLines")
            return self._logs(self.store.get(kind, namespace, name), int(lines) if lines else None)
        if asked.verb == "get" and asked.subresource in {"", "status"}:
            return self.store.get(kind, namespace, name)
        if asked.verb == "delete" and not asked.subresource:
            return self._delete(asked, query, body or {})
        raise ApiError(405, "MethodNotAllowed", f"the process cluster does not know {asked.verb} {asked.what}")

    def _delete(self, asked: Asked, query: dict[str, str], body: Object) -> Object:
        # Jobs of batch/v1 leave their pods behind unless they are told otherwise; everything else does not.
        default = "Orphan" if asked.resource.kind == "Job" else "Background"
        propagation = body.get("propagationPolicy") or query.get("propagationPolicy") or default
        uid = (body.get("preconditions") or {}).get("uid", "")
        gone = self.store.delete(asked.resource.kind, asked.namespace, asked.name, propagation, uid)
        if asked.resource.kind == "Pod":
            return gone
        return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}


def _completed(body: Object, asked: Asked) -> Object:
    resource = asked.resource
    if (body.get("kind"), body.get("apiVersion")) != (resource.kind, resource.api_version):
        message = f"the object is a {body.get('apiVersion')} {body.get('kind')}, not a {resource.kind}"
        raise ApiError(400, "BadRequest", message)
    body.setdefault("metadata", {}).setdefault("namespace", asked.namespace)
    if body["metadata"]["namespace"] != asked.namespace:
        raise ApiError(400, "BadRequest", "the namespace of the object is not that of the request")
    return body


def parsed(user: str, method: str, path: str) -> Asked:
    """What a request asks for.

    Raises:
        ApiError: no such resource, or a method that is not spoken.
    """
    parts = [unquote(part) for part in path.strip("/").split("/")]
    if parts[:1] == ["api"]:
        group, version, rest = "", parts[1] if len(parts) > 1 else "", parts[2:]
    elif parts[:1] == ["apis"] and len(parts) > 2:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        raise ApiError(404, "NotFound", f"the server could not find {path}")
    namespace = ""
    if len(rest) > 2 and rest[0] == "namespaces":
        namespace, rest = rest[1], rest[2:]
    plural, name, subresource = (*rest, "", "", "")[:3]
    for resource in RESOURCES:
        if (resource.group, resource.version, resource.plural) == (group, version, plural):
            verb = {"POST": "create", "DELETE": "delete", "GET": "get" if name else "list"}.get(method, method.lower())
            return Asked(user, verb, resource, subresource, namespace, name)
    raise ApiError(404, "NotFound", f"the server could not find {path}")


def is_allowed(store: Store, asked: Asked) -> bool:
    """Whether a Role that is bound to the user in the namespace covers the request."""
    for binding in store.list("RoleBinding", asked.namespace):
        if not any(_is_user(subject, asked.user) for subject in binding.get("subjects") or []):
            continue
        role = store.find(binding["roleRef"]["kind"], asked.namespace, binding["roleRef"]["name"])
        if role and any(_covers(rule, asked) for rule in role.get("rules") or []):
            return True
    return False


def _is_user(subject: Object, user: str) -> bool:
    return (
        subject["kind"] == "ServiceAccount"
        and user == f"system:serviceaccount:{subject['namespace']}:{subject['name']}"
    )


def _covers(rule: Object, asked: Asked) -> bool:
    names = rule.get("resourceNames")
    return (
        bool({asked.verb, "*"} & set(rule.get("verbs") or []))
        and bool({asked.resource.group, "*"} & set(rule.get("apiGroups") or []))
        and bool({asked.what, "*"} & set(rule.get("resources") or []))
        and (not names or asked.name in names)
    )


def _forbidden(asked: Asked) -> str:
    return (
        f'{asked.resource.qualified} "{asked.name}" is forbidden: User "{asked.user}" cannot {asked.verb} resource '
        f'"{asked.what}" in API group "{asked.resource.group}" in the namespace "{asked.namespace}"'
    )


# --- the port -------------------------------------------------------------------------------------------------


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def _respond(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        try:
            answer = self.server.api.answer(self.command, self.path, self.headers.get("Authorization", ""), body)
            code = 201 if self.command == "POST" else 200
        except ApiError as error:
            answer, code = error.status(), error.code
        content = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
        self.send_response(code)
        self.send_header("Content-Type", "text/plain" if isinstance(answer, str) else "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _respond  # noqa: N815 - names that http.server looks up

    def setup(self) -> None:
        assert isinstance(self.request, ssl.SSLSocket)
        self.request.settimeout(120)
        self.request.do_handshake()
        super().setup()

    def log_message(self, *arguments: Any) -> None:
        """Say nothing; the audit list says it."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    api: Api

    def handle_error(self, *arguments: Any) -> None:
        """A client that goes away is no news."""


def serve(api: Api, context: ssl.SSLContext) -> ThreadingHTTPServer:
    """Answer on a free port of this machine, until it is shut down."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.api = api
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()
    return server


def kind_of(one: Object) -> Resource:
    """The resource of an object.

    Raises:
        ApiError: the cluster does not know its kind in that version.
    """
    resource = KINDS.get(one["kind"])
    if resource is None or resource.api_version != one["apiVersion"]:
        raise ApiError(404, "NotFound", f'no matches for kind "{one["kind"]}" in version "{one["apiVersion"]}"')
    return resource
