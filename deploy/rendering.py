"""Make what follows from the chart: its README's table of values, and the plain manifests.

``make manifests`` runs this; tests check that nothing is left behind.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

HERE = Path(__file__).parent
CHART = HERE / "helm" / "podlift"
PLAIN = HERE / "kube"

_BEGIN = "<!-- values: made by `make manifests` -->\n"
_END = "<!-- end of values -->\n"
_PROBES = ("startupProbe", "readinessProbe", "livenessProbe")
_WHOLE = frozenset(("resources", "serviceAccount", "securityContexts", "config", *_PROBES))
"""Mappings that are one value to whoever sets them."""
_TOLD_BY = ("scheduler", "images.airflow", "dags")
"""Where a value is described that others, which have it too, say nothing of."""


@dataclass(frozen=True)
class Value:
    """One value of the chart: its path, its default as JSON, and what it does."""

    path: str
    default: str
    meaning: str


def values(text: str) -> Iterator[Value]:
    """All values of a ``values.yaml``, in its order; a comment ``# --`` above one explains it."""
    lines = text.splitlines()
    root = yaml.compose(text, yaml.SafeLoader)
    assert isinstance(root, yaml.MappingNode)
    found = list(_leaves(root, "", lines))
    said = {value.path: value.meaning for value in found}
    for value in found:
        yield Value(value.path, value.default, value.meaning or _elsewhere(value.path, said))


def _leaves(node: yaml.MappingNode, above: str, lines: list[str]) -> Iterator[Value]:
    for key, value in node.value:
        path = f"{above}.{key.value}" if above else key.value
        inner = isinstance(value, yaml.MappingNode) and value.value and key.value not in _WHOLE
        if inner:
            yield from _leaves(value, path, lines)
        else:
            default = yaml.safe_load(yaml.serialize(value))
            yield Value(path, json.dumps(default), _comment(lines, key.start_mark.line))


def _comment(lines: list[str], line: int) -> str:
    """What the comment above this line says, from its ``# --`` on."""
    said: list[str] = []
    for above in reversed(lines[:line]):
        text = above.strip()
        if not text.startswith("#"):
            return ""
        said.insert(0, text.lstrip("# "))
        if text.startswith("# --"):
            return " ".join(said).removeprefix("-- ")
    return ""


def _elsewhere(path: str, said: dict[str, str]) -> str:
    _, _, rest = path.partition(".")
    parts = rest.split(".")
    tails = [".".join(parts[at:]) for at in range(len(parts))]
    return next(
        (said[f"{one}.{tail}"] for tail in tails for one in _TOLD_BY if said.get(f"{one}.{tail}")),
        "",
    )


def table(text: str) -> str:
    """The README's part about values."""
    rows = ["| Value | Default | What it does |", "|---|---|---|"]
    for value in values(text):
        meaning = value.meaning.replace("|", "\\|")
        rows.append(f"| `{value.path}` | `{value.default}` | {meaning} |")
    return "\n".join(rows) + "\n"


def readme(text: str) -> str:
    """The chart's README with the table of its values brought up to date."""
    head, _, rest = text.partition(_BEGIN)
    _, found, tail = rest.partition(_END)
    if not found:
        raise ValueError(f"The README has lost the line {_BEGIN!r} or {_END!r}.")
    return f"{head}{_BEGIN}\n{table((CHART / 'values.yaml').read_text())}\n{_END}{tail}"


def manifests(helm: str) -> dict[str, str]:
    """The plain manifests by the name of their file. Raises ``CalledProcessError``."""
    command = [helm, "template", "airflow", str(CHART), "--namespace=airflow", "--no-hooks"]
    command += [f"--values={PLAIN / 'values.yaml'}", "--kube-version=1.29"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    parts: dict[str, list[str]] = {name: [text] for name, text in _HEADS.items()}
    for document in re.split(r"^---\n", done.stdout, flags=re.MULTILINE):
        plain = _without_helm(document)
        if yaml.safe_load(plain) is not None:
            parts[_file_of(plain)].append(plain)
    return {name: "---\n".join(documents) for name, documents in parts.items()}


_HELMS = re.compile(
    r"^# Source: .*\n"
    r"|^ *app\.kubernetes\.io/managed-by: Helm\n"
    r"|^ *helm\.sh/chart: .*\n"
    r"|^  annotations:\n    # [^\n]*\n    helm\.sh/resource-policy: keep\n",
    re.MULTILINE,
)


def _without_helm(document: str) -> str:
    return _HELMS.sub("", document).strip("\n") + "\n"


def _file_of(document: str) -> str:
    component = yaml.safe_load(document)["metadata"]["labels"]["app.kubernetes.io/component"]
    return {"dags": "volumes.yaml", "logs": "volumes.yaml", "postgresql": "postgres.yaml"}.get(
        component, "airflow.yaml"
    )


_MADE = "# Made from deploy/helm/podlift by `make manifests`, with the values in values.yaml.\n"
_HEADS = {
    "volumes.yaml": f"""\
# The namespace, and the two volumes: for DAGs and for logs. Both are mounted by pods on several
# nodes, so their storage class has to offer ReadWriteMany; without storageClassName the cluster's
# default is taken.
#
#   kubectl apply -f volumes.yaml
#   ./secrets
#   kubectl apply -f postgres.yaml -f airflow.yaml
{_MADE}apiVersion: v1
kind: Namespace
metadata:
  name: airflow
  labels:
    # All pods here are fit for the strictest level of Pod Security.
    pod-security.kubernetes.io/enforce: restricted
""",
    "postgres.yaml": f"""\
# Airflow's database: one pod with one volume. For what you cannot lose, take a database of yours,
# and put its URI into the Secret airflow-metadata instead of applying this file.
#
# It wants the Secret airflow-postgresql, which ./secrets makes.
{_MADE}""",
    "airflow.yaml": f"""\
# Airflow with a pod for every task: apply volumes.yaml first, run ./secrets, apply postgres.yaml.
# Put your image in place of podlift-airflow:3.3.2, in the pod of tasks (ConfigMap
# airflow-pod-template) too:
#
#   sed 's|podlift-airflow:3.3.2|REGISTRY/podlift-airflow:3.3.2|' airflow.yaml | kubectl apply -f -
#
# It wants these Secrets, which ./secrets makes: airflow-fernet-key, airflow-api-secret-key,
# airflow-jwt-secret, airflow-seal, airflow-admin, airflow-metadata.
{_MADE}""",
}


def main() -> None:
    """Write everything anew. Takes the path of helm, where it is not in the PATH."""
    helm = sys.argv[1] if len(sys.argv) > 1 else shutil.which("helm")
    if helm is None:
        sys.exit("helm is not in the PATH; `make manifests` builds it.")
    for name, text in manifests(helm).items():
        (PLAIN / name).write_text(text)
    page = CHART / "README.md"
    page.write_text(readme(page.read_text()))


if __name__ == "__main__":
    main()
