"""What Airflow's providers manager asks of a provider package."""

from __future__ import annotations

from typing import Any

from podlift import __version__
from podlift.settings import INHERITED_SECTION, SECTION, Option, options

_TYPES = {"JSON": "string", "list": "string", "quantity": "string"}


def get_provider_info() -> dict[str, Any]:
    """Metadata in the form of Airflow's ``provider_info.schema.json``."""
    return {
        "package-name": "podlift",
        "name": "Podlift",
        "description": "Apache Airflow on Kubernetes: a pod for every task.",
        "executors": ["podlift.executor.KubernetesExecutor"],
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
