"""The source of a decorated function, as it can be defined in another process. Pure."""

from __future__ import annotations

import ast
import builtins
import dis
import inspect
from collections.abc import Callable, Iterator
from types import CodeType
from typing import Any

from podlift.operators.errors import FunctionNotSent

_LAZY = "from __future__ import annotations\n"
_READS = frozenset({"LOAD_GLOBAL", "LOAD_NAME"})
_WRITES = frozenset({"STORE_GLOBAL", "STORE_NAME"})
_GIVEN = frozenset({*dir(builtins), "__annotations__", "__file__", "__name__"})


def source_of(function: Callable[..., Any]) -> str:
    """Source that defines the function and needs nothing of its module.

    Decorators stay behind: they have done their work, and the function is none that they made.
    Annotations are not evaluated. Raises ``FunctionNotSent`` for a function that is wrapped, has no
    source of its own, or uses names of its module.
    """
    name = getattr(function, "__name__", repr(function))
    if hasattr(function, "__wrapped__"):
        raise FunctionNotSent(
            f"Function {name} is wrapped by a decorator below that of the task, which would not "
            "travel with it into the pod. Do without it, or call it inside of the function."
        )
    text = _text(function, name)
    node = _definition(text, name)
    lines = text.splitlines(keepends=True)[node.lineno - 1 : node.end_lineno]
    # Its indentation stays as it is: lines of a text in it may begin further to the left.
    opening = "if True:\n" if lines[0][:1].isspace() else ""
    source = _LAZY + opening + "".join(lines).rstrip("\n") + "\n"
    _check_names(source, name)
    return source


def _text(function: Callable[..., Any], name: str) -> str:
    try:
        text = inspect.getsource(function)
    except (OSError, TypeError) as error:
        raise FunctionNotSent(f"The source of function {name} is not to be had: {error}.") from None
    return f"if True:\n{text}" if text[:1].isspace() else text


def _definition(text: str, name: str) -> ast.FunctionDef | ast.AsyncFunctionDef:
    try:
        tree = ast.parse(text)
    except SyntaxError:  # a lambda in the middle of something
        tree = ast.Module([], [])
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name:
            return node
    raise FunctionNotSent(f"Only a function that was written with def can travel, not {name}.")


def _check_names(source: str, name: str) -> None:
    code = compile(source, f"<{name}>", "exec")
    known = _names(code, _WRITES) | _GIVEN
    foreign = sorted(
        {read for each in _all_code(code) for read in _names(each, _READS) - _names(each, _WRITES)}
        - known
    )
    if foreign:
        raise FunctionNotSent(
            f"Function {name} uses {', '.join(foreign)}, which it does not define itself. The "
            "function travels into the pod alone: import inside of it, and pass values as "
            "arguments."
        )


def _names(code: CodeType, operations: frozenset[str]) -> set[str]:
    return {each.argval for each in dis.get_instructions(code) if each.opname in operations}


def _all_code(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _all_code(constant)
