"""A browser of this machine, told what to do by its own debugging protocol.

https://chromedevtools.github.io/devtools-protocol/
"""

from __future__ import annotations

import asyncio
import base64
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp

_SECONDS = 60.0
_FLAGS = (
    "--headless=new",
    "--no-sandbox",  # which root is refused
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--window-size=1280,1600",
    "--remote-debugging-port=0",
)


class Page:
    """One tab."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)

    async def ask(self, method: str, **parameters: Any) -> Any:
        """Send one command; returns its result."""
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        async with asyncio.timeout(_SECONDS):
            while True:
                answer = await self._socket.receive_json()
                if answer.get("id") == number:
                    assert "error" not in answer, answer
                    return answer["result"]

    async def open(self, url: str, **cookies: str) -> None:
        """Go there, with cookies of that site."""
        for name, value in cookies.items():
            await self.ask("Network.setCookie", name=name, value=value, url=url)
        await self.ask("Page.navigate", url=url)

    async def evaluate(self, script: str) -> Any:
        """What an expression of JavaScript gives."""
        found = await self.ask(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    async def wait_for(self, script: str) -> Any:
        """Wait until an expression gives something true; returns that."""
        end = asyncio.get_running_loop().time() + _SECONDS
        while not (value := await self.evaluate(script)):
            shown = await self.evaluate("document.body ? document.body.innerText : ''")
            assert asyncio.get_running_loop().time() < end, f"no {script} in:\n{shown}"
            await asyncio.sleep(0.2)
        return value

    async def click(self, script: str) -> None:
        """Click in the middle of the element that an expression gives, when it moves no more."""
        find = (
            f"(() => {{ const e = {script}; if (!e) return null; e.scrollIntoView();"
            " const r = e.getBoundingClientRect();"
            " return {x: r.x + r.width / 2, y: r.y + r.height / 2}; })()"
        )
        before, place = None, await self.wait_for(find)
        while place != before:
            await asyncio.sleep(0.3)
            before, place = place, await self.wait_for(find)
        for kind in ("mousePressed", "mouseReleased"):
            await self.ask(
                "Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **place
            )

    async def type(self, text: str) -> None:
        """Type into what has the focus."""
        await self.ask("Input.insertText", text=text)

    async def picture(self, file: Path) -> None:
        """Write what is to be seen as a PNG."""
        shot = await self.ask("Page.captureScreenshot")
        file.write_bytes(base64.b64decode(shot["data"]))


@asynccontextmanager
async def browser(folder: Path) -> AsyncIterator[Page]:
    """Chromium, with a profile in the folder, while the block runs."""
    process = await asyncio.create_subprocess_exec(
        "chromium",
        *_FLAGS,
        f"--user-data-dir={folder}",
        "about:blank",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        port = await _port(folder / "DevToolsActivePort")
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
                tabs = await answer.json(content_type=None)
            (url,) = [each["webSocketDebuggerUrl"] for each in tabs if each["type"] == "page"]
            async with session.ws_connect(url, max_msg_size=0) as socket:
                yield Page(socket)
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def _port(file: Path) -> str:
    async with asyncio.timeout(_SECONDS):
        while True:
            if file.exists() and (lines := file.read_text().splitlines()):
                return lines[0]
            await asyncio.sleep(0.1)
