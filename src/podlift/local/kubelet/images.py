"""Whether an image's name is one that a container runtime would take; pure.

See https://pkg.go.dev/github.com/distribution/reference for the grammar.
"""

from __future__ import annotations

import re

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_DOMAIN_PART = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_DOMAIN = rf"(?:{_DOMAIN_PART}(?:\.{_DOMAIN_PART})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?"
_REFERENCE = re.compile(
    rf"(?:{_DOMAIN}/)?{_COMPONENT}(?:/{_COMPONENT})*"
    r"(?::[\w][\w.-]{0,127})?"
    r"(?:@[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,})?"
)


def image_error(image: str) -> str | None:
    """Why *image* is no valid name, in the kubelet's words; None where it is one."""
    wrong = _mistake(image)
    if wrong is None:
        return None
    return (
        f'Failed to apply default image tag "{image}": '
        f'couldn\'t parse image name "{image}": invalid reference format{wrong}'
    )


def _mistake(image: str) -> str | None:
    repository = _without_domain(image).partition(":")[0].partition("@")[0]
    if repository != repository.lower():
        return f": repository name ({repository}) must be lowercase"
    return None if _REFERENCE.fullmatch(image) else ""


def _without_domain(image: str) -> str:
    first, slash, rest = image.partition("/")
    is_domain = "." in first or ":" in first or first == "localhost" or first != first.lower()
    return rest if slash and is_domain else image
