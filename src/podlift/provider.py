"""What Airflow's providers manager asks of a provider package."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from podlift import __version__
from podlift.hooks.form import CONNECTION_TYPE
from podlift.settings import INHERITED_SECTION, SECTION, Option, options

_OPERATORS = ("custom_object", "exec", "job", "kueue", "pod", "resource", "spark")
_TYPES = {"JSON": "string", "list": "string", "quantity": "string"}


def get_provider_info() -> dict[str, Any]:
    """Metadata in the form of Airflow's ``provider_info.schema.json``."""
    return {
        "package-name": "podlift",
        "name": "Podlift",
        "description": "Apache Airflow on Kubernetes: a pod for every task.",
        "executors": ["podlift.executor.KubernetesExecutor"],
        "operators": [_modules(f"podlift.operators.{name}" for name in _OPERATORS)],
        "hooks": [_modules(["podlift.hooks.kubernetes"])],
        "triggers": [_modules(["podlift.triggers.pod", "podlift.triggers.job"])],
        "task-decorators": [
            {
                "name": "kubernetes",
                "class-name": "podlift.decorators.kubernetes.kubernetes_task",
            },
            {
                "name": "kubernetes_cmd",
                "class-name": "podlift.decorators.kubernetes_cmd.kubernetes_cmd_task",
            },
        ],
        "connection-types": [CONNECTION_TYPE],
        "secrets-backends": ["podlift.secrets.kubernetes.KubernetesSecretsBackend"],
        "integrations": [
            {
                "integration-name": "Kubernetes",
                "external-doc-url": "https://kubernetes.io/",
                "tags": ["software"],
            }
        ],
        "cli": ["podlift.commands.definition.get_cli_commands"],
        "config": {
            SECTION: {
                "description": (
                    "Podlift's executor. An option that is not set here is looked up under the "
                    f"same name in section ``{INHERITED_SECTION}``."
                ),
                "options": {option.name: _described(option) for option in options()},
            }
        },
    }


def _modules(names: Iterable[str]) -> dict[str, Any]:
    return {"integration-name": "Kubernetes", "python-modules": list(names)}


def _described(option: Option) -> dict[str, Any]:
    sentence = option.sentence
    if option.default_text:
        sentence += f" Default: ``{option.default_text}``."
    return {
        "description": sentence,
        "version_added": __version__,
        "type": _TYPES.get(option.kind, option.kind),
        "example": None,
        # Airflow would take a default given here for something that a user set.
        "default": None,
    }
