"""Quantities of bytes, and more of them for a container that ran out."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podlift.pods.memory import give_more, grown, memory_of
from podlift.pods.quantities import bytes_of, in_bytes
from podlift.pods.reading import read_pod

MI = 2**20
BYTES = st.integers(0, 2**50)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("64Mi", 64 * MI),
        ("1.5G", 1_500_000_000),
        (".5Gi", 512 * MI),
        ("1e3", 1000),
        ("2E3", 2000),
        ("1E", 10**18),
        ("1Ei", 2**60),
        ("500", 500),
        ("1500m", 2),
        ("+1k", 1000),
        (7, 7),
    ],
)
def test_every_way_to_write_a_quantity(text: str | int, number: int) -> None:
    assert bytes_of(text) == number


@pytest.mark.parametrize("text", ["", "Mi", "1mi", "1 Gi", "1KiB", "1.2.3", "1e", "inf", "0x10"])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a quantity"):
        bytes_of(text)


@given(BYTES)
def test_a_number_of_bytes_reads_back_as_itself(number: int) -> None:
    assert bytes_of(in_bytes(number)) == number


@given(BYTES, st.floats(1, 10), st.none() | BYTES, st.integers(1, 5))
def test_memory_never_shrinks_and_never_passes_the_ceiling(
    memory: int, factor: float, ceiling: int | None, times: int
) -> None:
    more = grown(memory, factor, ceiling, times)
    assert more >= memory
    assert ceiling is None or more <= max(ceiling, memory)
    assert more <= grown(memory, factor, ceiling, times + 1)


def test_memory_grows_by_the_factor_in_whole_mebibytes() -> None:
    assert in_bytes(grown(50 * MI, 1.5, None)) == "75Mi"
    assert in_bytes(grown(50 * MI, 1.5, None, times=2)) == "113Mi"
    assert in_bytes(grown(50 * MI, 4, 128 * MI)) == "128Mi"


@given(BYTES, BYTES, st.floats(1, 10), st.none() | BYTES, st.integers(1, 5))
def test_a_request_never_grows_past_its_limit(
    one: int, other: int, factor: float, ceiling: int | None, times: int
) -> None:
    request, limit = sorted((one, other))
    amounts = {"requests": {"memory": str(request)}, "limits": {"memory": str(limit)}}
    container: dict[str, Any] = {"name": "base", "resources": amounts}
    allowed = give_more(container, factor, ceiling, times)
    assert allowed == amounts["limits"]["memory"]
    assert bytes_of(amounts["requests"]["memory"]) <= bytes_of(allowed)


def test_a_container_without_a_limit_gets_none() -> None:
    container: dict[str, Any] = {"name": "base", "resources": {"limits": {"cpu": "1"}}}
    assert give_more(container, 2, None, 1) == ""
    assert container["resources"] == {"limits": {"cpu": "1"}}


@pytest.mark.parametrize(
    ("resources", "memory"),
    [
        ({"limits": {"memory": "64Mi"}, "requests": {"memory": "32Mi"}}, 64 * MI),
        ({"requests": {"memory": "32Mi"}}, 32 * MI),
        ({}, None),
    ],
)
def test_what_a_container_may_use(resources: dict[str, Any], memory: int | None) -> None:
    pod = read_pod({"spec": {"containers": [{"name": "base", "resources": resources}]}})
    assert memory_of(pod, "base") == memory
    assert memory_of(pod, "other") is None
