"""What a DAG file pays for what it imports: nothing of the cluster until a task runs."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = (
    "aiohttp",
    "cryptography",
    "jinja2",
    "kubernetes",
    "kubernetes_asyncio",
    "msgspec",
    "pickle",
    "podlift.kube",
    "podlift.pods.reading",
    "podlift.runs",
    "yaml",
)

PUBLIC = (
    "podlift.callbacks",
    "podlift.decorators",
    "podlift.hooks.kubernetes",
    "podlift.operators",
    "podlift.operators.custom_object",
    "podlift.operators.exec",
    "podlift.operators.job",
    "podlift.operators.kueue",
    "podlift.operators.resource",
    "podlift.operators.secret",
    "podlift.operators.spark",
    "podlift.secrets.kubernetes",
)

_AIRFLOW = (
    "from airflow.sdk import DAG, BaseOperator, BaseHook, task; import airflow.sdk.exceptions"
)


@pytest.fixture(scope="module")
def added() -> dict[str, list[str]]:
    """The modules that each public module adds to those of Airflow itself."""
    code = f"""
import importlib, json, sys
{_AIRFLOW}
task.bash  # the providers are found, as they are in every process that reads DAG files
before, found = set(sys.modules), {{}}
for name in {PUBLIC!r}:
    for each in set(sys.modules) - before:
        if each.startswith("podlift."):
            del sys.modules[each]
    importlib.import_module(name)
    found[name] = sorted(set(sys.modules) - before)
print(json.dumps(found))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    result: dict[str, list[str]] = json.loads(done.stdout.splitlines()[-1])
    return result


@pytest.mark.parametrize("module", PUBLIC)
def test_nothing_of_the_cluster_is_imported_with_a_dag(
    added: dict[str, list[str]], module: str
) -> None:
    assert module in added[module]
    assert set(added[module]) & set(HEAVY) == set()
