"""Elder installed in a process cluster, and what a test asks of it: start a run, wait for it, read its results."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import sqlalchemy as sa

ROOT = Path(__file__).parent.parent.parent
sys.path += [str(Path(__file__).parent), str(ROOT / "tests" / "faults")]

from breaking import Server  # noqa: E402
from procluster.cluster import Cluster  # noqa: E402
from procluster.faults import Fault  # noqa: E402
from procluster.git_host import GitHost  # noqa: E402
from procluster.network import METADATA  # noqa: E402
from procluster.objects import Object  # noqa: E402
from procluster.release import Release, rendered  # noqa: E402
from procluster.sandbox import elder_image  # noqa: E402

TOOLS = ROOT / "build" / "chart-tools"
NAMESPACE = "audits"
IMAGE = "elder:here"
PASSWORD = "correct-horse-battery"
CODE_SERVER = "app.kubernetes.io/component=code-server"
FILES = {
    "README.md": "# Basket\n\nAdds prices.\n",
    "shop/basket.py": "def total(prices):\n    return sum(prices)\n",
    "shop/tax.py": "<<<<<<< ours\nRATE = 0.19\n=======\nRATE = 0.07\n>>>>>>> theirs\n",
}
"""One conflict marker that was committed: INT001 in shop/tax.py, line 1, once."""
HOLDER = "shop"
PROBED = "basket"
"""The repository that the probe of values.yaml asks for."""
START_SECONDS, RUN_SECONDS = 180, 240
ENDED = {"SUCCESS", "FAILURE", "CANCELED"}


class Case(NamedTuple):
    """What a test wants started before any test waits."""

    repository: str
    tags: dict[str, str]
    faults: Callable[[str], list[Fault]] | None


def starts(repository: str, faults: Callable[[str], list[Fault]] | None = None, **tags: str) -> Callable[[Any], Any]:
    """Decorates a test: an audit of a repository of its own, which the fixture `run` hands to it.

    Args:
        repository: its name; no two tests have the same.
        faults: makes them from the id of the run.
        tags: of the run; `elder__tier` is `elder/tier`.
    """

    def mark(test: Any) -> Any:
        test.case = Case(
            repository,
            {name.replace("dagster_k8s", "dagster-k8s").replace("__", "/"): value for name, value in tags.items()},
            faults,
        )
        return test

    return mark


class Run:
    """A run of Dagster, as its GraphQL says."""

    def __init__(self, installation: Installation, run_id: str) -> None:
        self._installation, self.id = installation, run_id

    def look(self) -> dict[str, Any]:
        """Status, tags, and when it ended."""
        query = "query($id: ID!) {runOrError(runId: $id) {... on Run {status endTime tags {key value}}}}"
        found = self._installation.graphql(query, id=self.id)["runOrError"]
        tags = {tag["key"]: tag["value"] for tag in found["tags"]}
        return {"status": found["status"], "ended": found["endTime"], "tags": tags}

    @property
    def tags(self) -> dict[str, str]:
        tags: dict[str, str] = self.look()["tags"]
        return tags

    def wait(self, seconds: float = RUN_SECONDS) -> str:
        """Its status once it has ended."""
        wait, status = self._installation.cluster.wait, lambda: self.look()["status"]
        said: str = wait(f"the end of run {self.id}", lambda: (now := status()) in ENDED and now, seconds, every=1)
        return said

    def retry(self, seconds: float = RUN_SECONDS) -> Run:
        """The run that Dagster started after this one had failed."""
        query = "query($f: RunsFilter!) {runsOrError(filter: $f) {... on Runs {results {runId}}}}"
        wanted = {"tags": [{"key": "dagster/parent_run_id", "value": self.id}]}

        def look() -> list[Any]:
            found: list[Any] = self._installation.graphql(query, f=wanted)["runsOrError"]["results"]
            return found

        found = self._installation.cluster.wait(f"a retry of run {self.id}", look, seconds, every=1)
        return Run(self._installation, found[0]["runId"])

    def events(self) -> list[str]:
        """Every message of its log, with the errors."""
        inner = "... on MessageEvent {message} ... on ErrorEvent {error {message causes {message}}}"
        query = f"query($id: ID!) {{logsForRun(runId: $id) {{... on EventConnection {{events {{{inner}}}}}}}}}"
        said = []
        for event in self._installation.graphql(query, id=self.id)["logsForRun"]["events"]:
            error = event.get("error") or {"message": "", "causes": []}
            words = [event["message"], error["message"], *(one["message"] for one in error["causes"])]
            said.append(" ".join(words).strip())
        return said

    def pods(self, component: str = "") -> list[Object]:
        """Its pods, of one component (run_worker, step_worker) when one is named."""
        more = f",app.kubernetes.io/component={component}" if component else ""
        return self._installation.cluster.pods(NAMESPACE, f"dagster/run-id={self.id}{more}")

    def cancel(self) -> None:
        query = "mutation($id: String!) {terminateRun(runId: $id) {__typename}}"
        assert self._installation.graphql(query, id=self.id)["terminateRun"]["__typename"] == "TerminateRunSuccess"


class Installation:
    """The chart in the cluster; everything of it ends with `close`."""

    def __init__(self, server: Server, helm: Path) -> None:
        self.cluster = Cluster(TOOLS / "schemas" / "1.37")
        self.url = f"postgresql://elder:{PASSWORD}@127.0.0.1:{server.port}/elder"
        cluster = self.cluster
        cluster.images[IMAGE] = elder_image(cluster.folder / "image", ROOT, cluster.authority.path)
        self.git = GitHost(cluster.folder / "git", cluster.authority.server("git.example.org"))
        cluster.network.add_outside("postgresql.example.org", "198.18.0.10", 5432, ("127.0.0.1", server.port))
        cluster.network.add_outside("git.example.org", "198.18.0.20", 443, self.git.place)
        cluster.network.add_outside("metadata.example.org", METADATA, 80, self.git.place)
        cluster.add_namespace(NAMESPACE)
        cluster.add_secret(NAMESPACE, "elder-database", **{"postgresql-password": PASSWORD})
        cluster.add_secret(NAMESPACE, "elder", ELDER_SECRET_KEY="k" * 40)
        cluster.add_claim(NAMESPACE, "elder-state")
        values = Path(__file__).parent / "values.yaml"
        self.release = Release(cluster, rendered(helm, ROOT / "helm", "elder", NAMESPACE, values), NAMESPACE)

    def install(self) -> None:
        """`helm install`, and the first token, as the notes of the chart say."""
        self.release.install()
        self.cluster.wait("the code server", lambda: "elder-code-server" not in self.release.unready(), START_SECONDS)
        self.elder("token", "create", "admin", "--role", "admin")
        self.cluster.wait("all Deployments", lambda: not self.release.unready(), START_SECONDS)
        self._pages = httpx.Client(base_url=self.cluster.forward(NAMESPACE, "elder-webserver"), timeout=60)

    def close(self) -> None:
        self.cluster.close()
        self.git.close()

    def elder(self, *arguments: str) -> str:
        """`kubectl exec deploy/elder-code-server -- elder ...`."""
        return self.cluster.execute(NAMESPACE, CODE_SERVER, ["elder", *arguments])

    def add_repositories(self, names: Iterable[str]) -> None:
        """Make repositories at the git host and register them, in one process of a pod."""
        addresses = [f"https://git.example.org/{HOLDER}/{name}.git" for name in names]
        for name in names:
            self.git.add(f"{HOLDER}/{name}", FILES)
        each = f"for one in {addresses}: elder(['repo', 'add', one], standalone_mode=False)"
        self.cluster.execute(NAMESPACE, CODE_SERVER, ["python", "-c", f"from elder_assets.cli import elder\n{each}"])

    def start_probe(self) -> None:
        """Start the Job of the chart's probe now."""
        self.probe = self.cluster.run_job_of(NAMESPACE, "elder-probe")["metadata"]["name"]

    def graphql(self, query: str, **variables: Any) -> dict[str, Any]:
        body = {"query": query, "variables": variables}
        answer = self._pages.post("/graphql", json=body).json()
        assert "errors" not in answer, answer
        data: dict[str, Any] = answer["data"]
        return data

    def launch(self, key: str, tags: dict[str, str], faults: Callable[[str], list[Fault]] | None = None) -> Run:
        """Ask Dagster for an audit; the faults, made from the run's id, come over its pods."""
        query = """mutation($p: ExecutionParams!) {launchRun(executionParams: $p) {
            __typename ... on LaunchRunSuccess {run {runId}} ... on PythonError {message}}}"""
        selector = {"repositoryLocationName": "elder", "repositoryName": "__repository__", "pipelineName": "audit"}
        given = {"dagster/partition": key, **tags}
        metadata = {"tags": [{"key": name, "value": value} for name, value in given.items()]}
        with self.cluster.faults.held():
            parameters = {"selector": selector, "mode": "default", "executionMetadata": metadata}
            answer = self.graphql(query, p=parameters)["launchRun"]
            assert answer["__typename"] == "LaunchRunSuccess", answer
            run = Run(self, answer["run"]["runId"])
            for fault in faults(run.id) if faults else ():
                self.cluster.faults.inject(fault)
        return run

    def verdicts(self, key: str) -> list[tuple[str, int]]:
        """Commit of each recorded audit of a repository, and how many audits recorded it."""
        return self._rows(
            "SELECT s.commit, count(a.*) FROM elder.snapshots s JOIN elder.repositories r ON r.id = s.repository_id "
            "JOIN elder.audits a ON a.snapshot_id = s.id WHERE r.key = :key GROUP BY s.id",
            key,
        )

    def findings(self, key: str) -> list[tuple[str, str, int]]:
        """Rule, path and first line of each finding of the recorded audits of a repository."""
        return self._rows(
            "SELECT f.rule, f.path, f.line FROM elder.findings f JOIN elder.snapshots s ON s.id = f.snapshot_id "
            "JOIN elder.repositories r ON r.id = s.repository_id WHERE r.key = :key ORDER BY 1, 2, 3",
            key,
        )

    def _rows(self, query: str, key: str) -> list[Any]:
        engine = sa.create_engine(self.url)
        try:
            with engine.connect() as connection:
                return [tuple(row) for row in connection.execute(sa.text(query), {"key": key})]
        finally:
            engine.dispose()
