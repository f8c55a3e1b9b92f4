"""The form of a connection, in a browser, as Airflow shows it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.browser import Page, browser

from podlift.hooks.form import CONNECTION_TYPE

from .conftest import Start
from .test_up import Airflow, serving

pytestmark = [pytest.mark.functional, pytest.mark.tools]

TYPE = CONNECTION_TYPE["hook-name"]
FIELDS = CONNECTION_TYPE["conn-fields"]

_DIALOG = "document.querySelector('[role=dialog]')"
_SAVED = "!document.querySelector('[role=dialog]')"


def with_text(tags: str, text: str) -> str:
    """An expression: the first of these elements that shows this text."""
    words = json.dumps(text)
    return f"[...document.querySelectorAll('{tags}')].find(e => e.innerText.trim() === {words})"


async def fill(page: Page, selector: str, text: str) -> None:
    field = f"document.querySelector('{selector}')"
    await page.wait_for(f"{field} && ({field}.focus(), document.activeElement === {field})")
    await page.type(text)
    await page.wait_for(f"{field}.value === {json.dumps(text)}")


async def choose_our_type(page: Page, airflow: Airflow) -> None:
    """Open the form for a new connection, and have it show the fields of our type."""
    await page.open(f"{airflow.named('Airflow').rstrip('/')}/connections", _token=airflow.token)
    await page.click(with_text("button", "Add Connection"))
    await fill(page, "[role=dialog] input[name=connection_id]", "cluster")
    await fill(page, "[role=dialog] [role=combobox]", TYPE)
    await page.click(with_text("[role=option]", TYPE))
    await page.click(with_text("[role=dialog] button", "Extra Fields"))
    await page.wait_for(f"{_DIALOG}.innerText.includes({json.dumps(FIELDS['namespace']['label'])})")


async def test_a_connection_is_made_in_its_form(start: Start, tmp_path: Path) -> None:
    (tmp_path / "dags").mkdir()
    airflow = serving(start("up", "--dags", str(tmp_path / "dags"), "--port", "0"))
    airflow.log_in()
    async with browser(tmp_path / "profile") as page:
        await choose_our_type(page, airflow)
        shown = await page.evaluate(f"{_DIALOG}.innerText")
        assert [each["label"] for each in FIELDS.values() if each["label"] not in shown] == []
        for hidden in ("Login", "Password", "Port", "Schema"):
            assert hidden not in shown, shown
        await fill(page, "input[name=element_namespace]", "tasks")
        await page.click("document.querySelector('[name=element_in_cluster]').closest('label')")
        await page.click(with_text("[role=dialog] button", "Save"))
        await page.wait_for(_SAVED)
    made = airflow.call("/api/v2/connections/cluster")
    assert made["conn_type"] == "kubernetes"
    said = {name: value for name, value in json.loads(made["extra"]).items() if value}
    assert said == {"in_cluster": True, "namespace": "tasks"}
