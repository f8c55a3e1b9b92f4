"""What a YAML text describes, and what is wrong with it."""

from __future__ import annotations

import pytest

from podlift.operators.documents import read_documents
from podlift.operators.errors import ResourceFailed

ONE = "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\n"


def read(text: str, *, needs_name: bool = True) -> list[str]:
    found = read_documents(text, "the text", needs_name=needs_name)
    return [each["metadata"].get("name", "") for each in found]


def test_documents_come_in_their_order_and_empty_ones_not_at_all() -> None:
    assert read(f"---\n{ONE}---\n# only words\n---\n{ONE.replace('a}', 'b}')}") == ["a", "b"]


def test_a_list_stands_for_its_items() -> None:
    item = "  - {apiVersion: v1, kind: Secret, metadata: {name: %s}}\n"
    text = f"apiVersion: v1\nkind: List\nitems:\n{item % 'a'}{item % 'b'}"
    assert read(text) == ["a", "b"]


def test_a_date_is_the_text_that_it_looks_like() -> None:
    text = f"{ONE}stringData: {{day: 2026-11-22}}\n"
    [found] = read_documents(text, "the text", needs_name=True)
    assert found["stringData"] == {"day": "2026-11-22"}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "the text describes no object."),
        ("a: [", "the text is not YAML: line 1, column 5: expected"),
        ("just words", "document 1: a manifest is a mapping"),
        ("kind: Secret", "document 1 has no apiVersion."),
        (f"{ONE}---\napiVersion: v1", "document 2 has no kind."),
        ("apiVersion: v1\nkind: Secret", "document 1: Secret has no metadata.name."),
        ("apiVersion: v1\nkind: Secret\nmetadata: {1: 2}", "must be text; put it in quotes"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(text: str, sentence: str) -> None:
    with pytest.raises(ResourceFailed, match=sentence):
        read(text)


def test_a_generated_name_will_do_to_create_something_but_not_to_delete_it() -> None:
    text = ONE.replace("name:", "generateName:")
    assert read(text, needs_name=False) == [""]
    with pytest.raises(ResourceFailed, match=r"has no metadata\.name"):
        read(text)
