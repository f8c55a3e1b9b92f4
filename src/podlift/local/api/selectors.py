"""Label and field selectors, as the ``labelSelector`` and ``fieldSelector`` of a request.

See https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from podlift.local import errors
from podlift.local.kinds import Kind, Obj
from podlift.local.store.facts import Facts, field_names

_TOKEN = re.compile(r"\s*(==|!=|[=!<>(),]|[^\s=!<>(),]+)")
_SIGNS = {"=": "in", "==": "in", "!=": "notin", "in": "in", "notin": "notin", ">": "gt", "<": "lt"}


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition on a label: ``in``, ``notin``, ``exists``, ``absent``, ``gt`` or ``lt``."""

    key: str
    operator: str
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether the labels meet the condition."""
        value = labels.get(self.key)
        if self.operator == "exists":
            return value is not None
        if self.operator == "absent":
            return value is None
        if self.operator == "notin":
            return value is None or value not in self.values
        if value is None:
            return False
        if self.operator == "in":
            return value in self.values
        return self._compares(value)

    def _compares(self, value: str) -> bool:
        bound = next(iter(self.values))
        if not value.lstrip("-").isdigit():
            return False
        return int(value) > int(bound) if self.operator == "gt" else int(value) < int(bound)


LabelSelector = tuple[Requirement, ...]


def parse_labels(text: str) -> LabelSelector:
    """Read a label selector; raises BadRequest in the words of the API server."""
    tokens = _TOKEN.findall(text)
    requirements: list[Requirement] = []
    position = 0
    while position < len(tokens):
        requirement, position = _requirement(tokens, position)
        requirements.append(requirement)
        if position < len(tokens):
            if tokens[position] != ",":
                raise _unparsable(tokens[position], "',' or 'end of string'")
            position += 1
            if position == len(tokens):
                raise _unparsable("", "identifier after ','")
    return tuple(requirements)


def _requirement(tokens: list[str], position: int) -> tuple[Requirement, int]:
    if tokens[position] == "!":
        return Requirement(_word(tokens, position + 1), "absent"), position + 2
    key = _word(tokens, position)
    position += 1
    if position == len(tokens) or tokens[position] == ",":
        return Requirement(key, "exists"), position
    sign = tokens[position]
    if sign not in _SIGNS:
        raise _unparsable(sign, "in, notin, =, ==, !=, gt, lt")
    if sign in ("in", "notin"):
        values, position = _set(tokens, position + 1)
        return Requirement(key, sign, values), position
    operator = _SIGNS[sign]
    position += 1
    if position == len(tokens) or tokens[position] == ",":
        return Requirement(key, operator, frozenset({""})), position
    value = _word(tokens, position)
    if operator in ("gt", "lt") and not value.lstrip("-").isdigit():
        raise errors.BadRequest(
            f'values[0][{key}]: Invalid value: "{value}": '
            "for 'Gt', 'Lt' operators, the value must be an integer"
        )
    return Requirement(key, operator, frozenset({value})), position + 1


def _set(tokens: list[str], position: int) -> tuple[frozenset[str], int]:
    if position >= len(tokens) or tokens[position] != "(":
        raise _unparsable(tokens[position] if position < len(tokens) else "", "'('")
    try:
        end = tokens.index(")", position)
    except ValueError:
        raise _unparsable("", "',' or ')'") from None
    return frozenset(token for token in tokens[position + 1 : end] if token != ","), end + 1


def _word(tokens: list[str], position: int) -> str:
    token = tokens[position] if position < len(tokens) else ""
    if not token or token in "=!<>(),==!=":
        raise _unparsable(token, "!, identifier, or 'end of string'")
    return token


def _unparsable(found: str, expected: str) -> errors.BadRequest:
    return errors.BadRequest(f"unable to parse requirement: found '{found}', expected: {expected}")


@dataclass(frozen=True, slots=True)
class FieldTest:
    """``key=value`` or ``key!=value``."""

    key: str
    value: str
    equal: bool

    def matches(self, facts: Facts) -> bool:
        """Whether the object's field is (or is not) the value."""
        if self.key == "metadata.name":
            actual = facts.name
        elif self.key == "metadata.namespace":
            actual = facts.namespace
        else:
            actual = facts.fields.get(self.key, "")
        return (actual == self.value) is self.equal


def parse_fields(kind: Kind, text: str) -> tuple[FieldTest, ...]:
    """Read a field selector; raises BadRequest for a field that the kind is not selected by."""
    tests = []
    for part in filter(None, text.split(",")):
        match = re.fullmatch(r"([^=!]+)(==|!=|=)(.*)", part)
        if match is None:
            raise errors.BadRequest(f"invalid selector: '{text}'; can't understand '{part}'")
        key, sign, value = match.groups()
        if key not in field_names(kind):
            raise errors.BadRequest(f"field label not supported: {key}")
        tests.append(FieldTest(key, value, sign != "!="))
    return tuple(tests)


@dataclass(frozen=True, slots=True)
class Selector:
    """What a list or a watch is narrowed to."""

    namespace: str | None
    labels: LabelSelector = ()
    fields: tuple[FieldTest, ...] = ()

    def matches(self, facts: Facts) -> bool:
        """Whether an object belongs to the list or watch."""
        if self.namespace is not None and facts.namespace != self.namespace:
            return False
        return all(one.matches(facts.labels) for one in self.labels) and all(
            one.matches(facts) for one in self.fields
        )


def selector_of(
    kind: Kind, namespace: str | None, name: str | None, query: Mapping[str, str]
) -> Selector:
    """The selector of a request; a watch of one object is a field selector by its name."""
    fields = parse_fields(kind, query.get("fieldSelector", ""))
    if name is not None:
        fields = (*fields, FieldTest("metadata.name", name, True))
    return Selector(namespace, parse_labels(query.get("labelSelector", "")), fields)


def label_selector_of(selector: Obj | None) -> LabelSelector:
    """A LabelSelector object (``matchLabels``, ``matchExpressions``) as requirements."""
    selector = selector or {}
    signs = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "absent"}
    by_label = [
        Requirement(key, "in", frozenset({value}))
        for key, value in (selector.get("matchLabels") or {}).items()
    ]
    by_expression = [
        Requirement(one["key"], signs[one["operator"]], frozenset(one.get("values") or ()))
        for one in selector.get("matchExpressions") or ()
    ]
    return (*by_label, *by_expression)
