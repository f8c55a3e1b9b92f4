"""Requests, refusals and broken connections, with a server that behaves as told."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from podlift.kube import (
    PODS,
    ApiError,
    Client,
    Connection,
    ConnectionFailed,
    Gone,
    TooManyRequests,
    UnexpectedAnswer,
)
from podlift.kube.access import Access

if TYPE_CHECKING:
    from tests.functional.kube.conftest import Connect, Serve

pytestmark = pytest.mark.functional


def status(code: int, reason: str = "", message: str = "no", **headers: str) -> web.Response:
    body = {"kind": "Status", "code": code, "reason": reason, "message": message}
    return web.json_response(body, status=code, headers=headers)


def page(names: str, position: str = "") -> web.Response:
    items = [{"metadata": {"name": name}} for name in names]
    metadata = {"resourceVersion": "7", "continue": position}
    return web.json_response({"metadata": metadata, "items": items})


async def test_a_busy_server_is_asked_once_and_its_wish_is_passed_on(
    serve: Serve, connect: Connect
) -> None:
    asked: list[str] = []

    async def busy(request: web.Request) -> web.Response:
        asked.append(request.method)
        return status(429, "TooManyRequests", **{"Retry-After": "3"})

    client = await connect(await serve(busy))
    with pytest.raises(TooManyRequests) as told:
        await client.create(PODS, {"metadata": {"name": "a"}}, "ns")
    assert told.value.retry_after == 3
    assert asked == ["POST"]


async def test_a_list_whose_pages_expire_starts_again(serve: Serve, connect: Connect) -> None:
    answers = [page("ab", "x"), status(410, "Expired"), page("abc", "y"), page("d")]
    asked: list[dict[str, str]] = []

    async def pages(request: web.Request) -> web.Response:
        asked.append(dict(request.query))
        return answers.pop(0)

    client = await connect(await serve(pages))
    listing = await client.list(PODS, "ns", label_selector="a=b", limit=3)
    assert [item["metadata"]["name"] for item in listing.items] == ["a", "b", "c", "d"]
    assert listing.resource_version == "7"
    assert [query.get("continue") for query in asked] == [None, "x", None, "y"]
    assert {query["labelSelector"] for query in asked} == {"a=b"}


async def test_a_list_whose_pages_always_expire_is_asked_for_whole_at_last(
    serve: Serve, connect: Connect
) -> None:
    limits: list[str | None] = []

    async def pages(request: web.Request) -> web.Response:
        limits.append(request.query.get("limit"))
        return status(410, "Expired")

    client = await connect(await serve(pages))
    with pytest.raises(Gone):
        await client.list(PODS, "ns")
    assert limits == ["500", "500", None]


@pytest.mark.parametrize("nothing", [None, []])
async def test_an_empty_list_may_be_null(serve: Serve, connect: Connect, nothing: Any) -> None:
    async def empty(_: web.Request) -> web.Response:
        return web.json_response({"metadata": {"resourceVersion": "1"}, "items": nothing})

    client = await connect(await serve(empty))
    assert (await client.list(PODS, "ns")).items == []


async def test_a_web_page_is_not_an_answer(serve: Serve, connect: Connect) -> None:
    async def portal(_: web.Request) -> web.Response:
        return web.Response(text="<html>Please log in</html>")

    client = await connect(await serve(portal))
    with pytest.raises(UnexpectedAnswer, match="Please log in"):
        await client.get(PODS, "a", "ns")


async def test_a_redirect_is_a_refusal_and_takes_no_token_elsewhere(
    serve: Serve, connect: Connect
) -> None:
    async def moved(request: web.Request) -> web.Response:
        raise web.HTTPFound("http://127.0.0.1:1/elsewhere")

    client = await connect(await serve(moved))
    with pytest.raises(ApiError) as told:
        await client.get(PODS, "a", "ns")
    assert told.value.status == 302


async def test_a_servers_warning_is_passed_on_once(
    serve: Serve, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    async def warn(_: web.Request) -> web.Response:
        warning = '299 - "unknown field \\"spec.nonsense\\""'
        return web.json_response({}, status=201, headers={"Warning": warning})

    client = await connect(await serve(warn))
    for name in ("a", "b"):
        await client.create(PODS, {"metadata": {"name": name}}, "ns")
    ours = [record for record in caplog.records if record.name.startswith("podlift")]
    said = [record.getMessage() for record in ours]
    assert len(said) == 1
    assert "spec.nonsense" in said[0]


async def test_nobody_there(connect: Connect) -> None:
    client = await connect("http://127.0.0.1:1")
    with pytest.raises(
        ConnectionFailed, match=r"GET .*/pods/a got no whole answer from .*:1"
    ) as told:
        await client.get(PODS, "a", "ns")
    assert told.value.transient


async def test_an_answer_that_breaks_off(serve: Serve, connect: Connect) -> None:
    async def broken(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b"{")
        assert request.transport is not None
        request.transport.close()
        return response

    client = await connect(await serve(broken))
    with pytest.raises(ConnectionFailed, match="broke in the middle"):
        await client.get(PODS, "a", "ns")


async def test_an_answer_that_takes_too_long(serve: Serve, connect: Connect) -> None:
    async def slow(_: web.Request) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    client = await connect(await serve(slow), request_timeout=0.1)
    with pytest.raises(ConnectionFailed, match="took too long"):
        await client.get(PODS, "a", "ns")


async def test_a_client_works_inside_its_block_only(serve: Serve) -> None:
    client = Client(Connection(Access("http://127.0.0.1:1", "test")))
    with pytest.raises(RuntimeError, match="async with"):
        await client.get(PODS, "a", "ns")
