"""Links in the documentation lead somewhere: to files, to headings, and paths to what is there.

Sphinx checks what lies below ``docs``; this checks all Markdown of the repository, as people read
it unbuilt. Nothing is fetched: of an external link only the form is looked at.
"""

from __future__ import annotations

import re
import subprocess
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).parents[2]
_TRACKED = ("git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md")
PAGES = sorted(
    ROOT / name
    for name in subprocess.run(
        _TRACKED, cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    if (ROOT / name).is_file()
)
_FENCE = re.compile(r"^(```+|~~~+).*?^\1[`~]*\s*$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\[(?:[^\]\[]|\[[^\]]*\])*\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)|<(https?://[^>]*)>")
_HEADING = re.compile(r"^#+ +(.+?) *#*$", re.MULTILINE)
_PATH = re.compile(r"(?:tests|deploy|bench|examples|requirements)/[\w./-]*\w(?:::\w+)?/?")


@pytest.fixture(params=PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def page(request: pytest.FixtureRequest) -> Path:
    found: Path = request.param
    return found


def links(page: Path) -> list[str]:
    text = _CODE.sub("", _FENCE.sub("", page.read_text()))
    return [link or bare for link, bare in _LINK.findall(text)]


@cache
def anchors(page: Path) -> set[str]:
    """The headings of a page, as a link names them."""
    headings = _HEADING.findall(_FENCE.sub("", page.read_text()))
    plain = (re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading) for heading in headings)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in plain}


def wrong(page: Path, link: str) -> bool:
    parts = urlsplit(link)
    if parts.scheme:
        return parts.scheme not in ("http", "https") or not parts.hostname
    target = (page.parent / parts.path).resolve() if parts.path else page
    if not target.exists():
        return True
    return bool(parts.fragment) and parts.fragment not in anchors(target)


def test_every_link_leads_somewhere(page: Path) -> None:
    assert [link for link in links(page) if wrong(page, link)] == []


def test_every_path_that_a_page_names_is_there(page: Path) -> None:
    named = (
        name for name in _CODE.findall(_FENCE.sub("", page.read_text())) if _PATH.fullmatch(name)
    )
    assert [name for name in named if not there(name)] == []


def there(name: str) -> bool:
    path, _, function = name.partition("::")
    file = ROOT / path
    return file.exists() and (not function or f"def {function}(" in file.read_text())


@pytest.mark.parametrize(
    "link", ["no-such-page.md", "install.md#no-such-heading", "https:///path", "htp://example.org"]
)
def test_a_link_that_leads_nowhere_is_noticed(link: str) -> None:
    assert wrong(ROOT / "docs" / "index.md", link)


def test_headings_are_named_as_readers_links_name_them() -> None:
    assert {"with-remote-logging", "s3"} <= anchors(ROOT / "docs" / "logs.md")
