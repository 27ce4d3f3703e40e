"""Other programs find nothing wrong with the files for containers and for Kubernetes."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector, CollectorRegistry

from app.ops.job_metrics import queues
from config.misspelled import BESIDE_SETTINGS
from config.settings import Settings
from deploy.embedded.procfile import read_procfile

from ...tools import tool
from ..debian import unpacked

ROOT = Path(__file__).resolve().parents[3]
CHART = ROOT / "deploy/helm/trimind"
LINES = read_procfile(ROOT / "Procfile")
VARIABLES = {field.upper() for field in Settings.model_fields} | BESIDE_SETTINGS
RENDER = """
import json, sys
import helm_python
given = json.load(sys.stdin)
with helm_python.Chart.load(given["chart"]) as chart:
    print(json.dumps(chart.render(given["values"], name="tri", namespace="prod")))
"""
LINT = "import json, sys, helm_python; print(json.dumps(helm_python.lint(sys.argv[1])))"
EVERYTHING = {
    "keda": {"enabled": True},
    "ingress": {"enabled": True, "tlsSecret": "trimind-tls"},
    "cpu": {"image": "cpu", "env": {"LLMLINGUA_MODEL": "/models/weights"}},
    "imagePullSecrets": [{"name": "registry"}],
    "serviceAccount": {"name": "trimind"},
    "nodeSelector": {"kind": "worker"},
}


def rendered(values: dict[str, Any]) -> list[dict[str, Any]]:
    """What Helm makes of the chart with these values."""
    given = json.dumps({"chart": str(CHART), "values": values})
    done = tool("python", "-c", RENDER, given=given)
    assert done.returncode == 0, done.stderr
    manifests = json.loads(done.stdout)
    texts = [text for name, text in manifests.items() if name.endswith(".yaml")]
    return [each for text in texts for each in yaml.safe_load_all(text) if each]


def by_name(manifests: list[dict[str, Any]], kind: str) -> dict[str, dict[str, Any]]:
    return {
        each["metadata"]["name"].removeprefix("tri-"): each["spec"]
        for each in manifests
        if each["kind"] == kind
    }


def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    linted = tool("hadolint", str(ROOT / "deploy/docker/Dockerfile"))
    assert (linted.returncode, linted.stdout + linted.stderr) == (0, "")


def compose_config(**environ: str) -> subprocess.CompletedProcess[str]:
    """What `docker compose config` says of the file; it needs no engine."""
    package = unpacked("compose", ("docker-compose",), suite="trixie")
    program = package / "usr/libexec/docker/cli-plugins/docker-compose"
    file = str(ROOT / "deploy/compose.yaml")
    command = [str(program), "--file", file, "config", "--format", "json"]
    return subprocess.run(
        command, env=environ, timeout=30, capture_output=True, text=True, check=False
    )


def test_docker_compose_takes_the_file_and_each_secret_from_the_environment() -> None:
    secrets = {
        "POSTGRES_PASSWORD": "of-postgres",
        "SHARED_SECRET": "shared",
        "FLOWER_BASIC_AUTH": "operator:password",
    }
    read = compose_config(**secrets)
    assert (read.returncode, read.stderr) == (0, "")
    services = json.loads(read.stdout)["services"]
    assert services.keys() == {*LINES, "postgres", "redis"}
    for name in LINES:
        environment = services[name]["environment"]
        assert environment["DATABASE_URL"] == "postgresql://trimind:of-postgres@postgres/trimind"
        assert environment["SHARED_SECRET"] == "shared"
        assert services[name]["read_only"] is True
    assert services["release"]["depends_on"].keys() == {"postgres"}
    assert services["cpu"]["environment"]["REMAP_SIGTERM"] == "SIGQUIT"

    for missing in secrets:
        refused = compose_config(**{name: secrets[name] for name in secrets if name != missing})
        assert refused.returncode != 0
        assert f"{missing} is missing a value: set it in .env" in refused.stderr


def test_helm_finds_nothing_in_the_chart() -> None:
    report = json.loads(tool("python", "-c", LINT, str(CHART)).stdout)
    assert report["errors"] == []
    assert [each["error"] for each in report["messages"]] == ["icon is recommended"]


@pytest.mark.parametrize("values", [{}, EVERYTHING], ids=["defaults", "everything"])
def test_kubernetes_takes_what_the_chart_makes(values: dict[str, Any], tmp_path: Path) -> None:
    manifests = [each for each in rendered(values) if "keda.sh" not in each["apiVersion"]]
    kinds = {each["kind"] for each in manifests}
    assert kinds >= {"Deployment", "Job", "PodDisruptionBudget", "Service"}
    file = tmp_path / "manifests.yaml"
    file.write_text(yaml.safe_dump_all(manifests))
    checked = tool("python", "-m", "kubernetes_validate", "--strict", str(file))
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_each_pod_runs_the_procfiles_command_and_may_do_nothing_else() -> None:
    manifests = rendered(EVERYTHING)
    pods = by_name(manifests, "Deployment") | by_name(manifests, "Job")
    assert pods.keys() == LINES.keys()
    for name, line in LINES.items():
        pod = pods[name]["template"]["spec"]
        [container] = pod["containers"]
        plain = line.removeprefix("exec ").replace(" --conf=config/flower.py", "")
        assert " ".join(container["command"]) == plain
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["automountServiceAccountToken"] is False
        assert {each["name"] for each in container["env"]} <= VARIABLES
        assert pod["terminationGracePeriodSeconds"] >= 30
    targets = {name: pods[name]["template"]["spec"]["containers"][0]["image"] for name in pods}
    assert {name: image.rpartition("-")[2] for name, image in targets.items()} == {
        "release": "web", "web": "web", "flower": "web", "worker": "worker", "cpu": "cpu",
    }  # fmt: skip


def test_workers_are_scaled_by_metrics_that_exist() -> None:
    manifests = rendered(EVERYTHING)
    scaled = by_name(manifests, "ScaledObject")
    assert scaled.keys() == {"worker", "cpu"}
    for name, spec in scaled.items():
        assert spec["scaleTargetRef"]["name"] == f"tri-{name}"
        assert "replicas" not in by_name(manifests, "Deployment")[name]
        for trigger in spec["triggers"]:
            about = trigger["metadata"]
            assert about["url"] == "http://tri-web.prod.svc:80/metrics"
            assert float(about["targetValue"]) > 0
            assert about["valueLocation"] in EXPORTED
            assert trigger["authenticationRef"]["name"] == "tri-metrics"
    [authentication] = by_name(manifests, "TriggerAuthentication").values()
    assert authentication["secretTargetRef"] == [
        {"parameter": "token", "name": "trimind", "key": "SHARED_SECRET"}
    ]


class Empty(Collector):
    """The metrics of empty queues."""

    def collect(self) -> Iterator[Metric]:
        yield from queues([])


def _empty() -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(Empty())
    return registry


# As the web process writes them.
EXPORTED = {line.rpartition(" ")[0] for line in generate_latest(_empty()).decode().splitlines()}


@pytest.mark.parametrize(
    "values",
    [{"wroker": {"replicas": 3}}, {"web": {"replicas": "many"}}, {"existingSecret": ""}],
)
def test_a_value_that_the_chart_does_not_know_is_refused(values: dict[str, Any]) -> None:
    given = json.dumps({"chart": str(CHART), "values": values})
    done = tool("python", "-c", RENDER, given=given)
    assert done.returncode != 0
