"""Which functions of a DAG's author can be called in the triggerer."""

from __future__ import annotations

import sys
import types
from typing import Any

import pytest

from podlift.callbacks import KubernetesPodOperatorCallback
from podlift.triggers.functions import name_of, named


def test_what_a_module_holds_is_found_by_its_name() -> None:
    for thing in (named, KubernetesPodOperatorCallback.progress_callback):
        name = name_of(thing)
        assert name is not None
        assert named(name) is thing


def test_what_has_no_name_of_its_own_is_not() -> None:
    def inner() -> None: ...

    assert name_of(inner) is None
    assert name_of(lambda: None) is None
    assert name_of([].append) is None


def test_what_a_dag_file_defines_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    # Airflow names the modules of DAG files so; the triggerer does not read them.
    module: Any = types.ModuleType("unusual_prefix_0123_my_dag")
    exec("def say(line): ...", module.__dict__)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    assert name_of(module.say) is None


def test_a_name_that_now_means_something_else_does_not_travel(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module: Any = types.ModuleType("some_module")
    exec("def say(line): ...", module.__dict__)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    before = module.say
    assert name_of(before) == "some_module:say"
    module.say = print
    assert name_of(before) is None
