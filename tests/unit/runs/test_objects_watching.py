"""What label selectors of many objects have in common."""

from __future__ import annotations

import pytest

from podlift.operators.job_manifest import PODS_OF_JOB
from podlift.runs.kinds import PRESETS
from podlift.runs.objects_watching import Shape, shape_of


@pytest.mark.parametrize(
    ("template", "selector", "values"),
    [
        ("", "", {}),
        ("app=web", "app=web", {}),
        ("job={name}", "job", {"job": "{name}"}),
        ("a = x, job == {uid}-driver ,b!=c", "a = x,job,b!=c", {"job": "{uid}-driver"}),
        ("tier in (a,b),uid={uid}", "tier in (a,b),uid", {"uid": "{uid}"}),
        ("name in ({name},x),role=leader", "name in ({name},x),role=leader", {}),
        ("name!={name}", "name!={name}", {}),
        ("present,name={name}", "present,name", {"name": "{name}"}),
    ],
)
def test_what_is_one_objects_alone_is_looked_for_here(
    template: str, selector: str, values: dict[str, str]
) -> None:
    assert shape_of(template) == Shape(selector, values)


def test_pods_of_known_kinds_are_watched_together() -> None:
    for template in (PODS_OF_JOB, *(each.pods for each in PRESETS.values())):
        shape = shape_of(template)
        assert "{" not in shape.selector
        assert len(shape.values) == 1
