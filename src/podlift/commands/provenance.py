"""Where each line of a task's pod came from. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from podlift.pods.building import BASE
from podlift.pods.plain import Manifest

Path = tuple[str, ...]
"""Keys and, in a list, what tells its entries apart."""

OWN = "Podlift"
_KEYS = ("name", "mountPath", "containerPort", "topologyKey", "ip", "key")


@dataclass(frozen=True)
class Layers:
    """What a pod was made from: a name for each layer, and its content."""

    template: Manifest
    override: Manifest
    options: dict[Path, str]
    """Which option decided about a field, where one did."""

    def source_of(self, path: Path, value: object) -> str:
        """Who gave the field this value first; empty for the template, which gave most of them."""
        if path in self.options:
            return f"option {self.options[path]}"
        if _at(self.template, path) == value:
            return ""
        return "pod_override" if _at(self.override, path) == value else OWN


def annotated(manifest: Manifest, source_of: Callable[[Path, object], str]) -> str:
    """The manifest as YAML with a remark at each line that has a source worth naming."""
    text = yaml.safe_dump(manifest, sort_keys=False, allow_unicode=True, width=10**9)
    lines = text.rstrip("\n").split("\n")
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    for path, first, last, value in _scalars(node, ()):
        if first == last and (source := source_of(path, value)):
            lines[first] += f"  # {source}"
    return "\n".join(lines) + "\n"


def base_name(template: Manifest) -> str:
    """Name of the container in the template that becomes ``base``."""
    containers: Sequence[Any] = (template.get("spec") or {}).get("containers") or ()
    names = [each.get("name", "") for each in containers]
    return BASE if BASE in names or not names else names[0]


def _scalars(node: Any, path: Path) -> Iterator[tuple[Path, int, int, object]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _scalars(value, (*path, key.value))
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield from _scalars(value, (*path, _entry(_built(value), index)))
    else:
        yield path, node.start_mark.line, node.end_mark.line, _built(node)


def _built(node: Any) -> Any:
    return yaml.safe_load(yaml.serialize(node))


def _entry(value: object, index: int) -> str:
    """What tells an entry of a list apart, whatever its place."""
    if isinstance(value, dict):
        for key in _KEYS:
            if key in value:
                return f"{key}={value[key]}"
    return str(index)


def _at(manifest: object, path: Path) -> object:
    found = manifest
    for step in path:
        if isinstance(found, dict):
            found = found.get(step, _ABSENT)
        elif isinstance(found, list):
            entries = {_entry(each, index): each for index, each in enumerate(found)}
            found = entries.get(step, _ABSENT)
        else:
            return _ABSENT
    return found


_ABSENT = object()
