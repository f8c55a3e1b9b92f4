"""Imports that are put off until something uses what was imported.

``from sqlalchemy import select`` runs all of SQLAlchemy, also in a process that never sends a
query. While ``postponed("sqlalchemy")`` is open, such a line gets a stand-in instead, and the
module runs when the stand-in is used for the first time: called, asked for an attribute,
subclassed. Once it is closed, imports are what they always are; only those who imported before keep
their stand-ins.

Python will have this by itself one day (https://peps.python.org/pep-0810/). Its ``LazyLoader`` puts
off ``import x`` alone, while nearly everything is imported as ``from x import y``.
"""

from __future__ import annotations

import sys
from abc import ABCMeta
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

_AT_ONCE = ("Error", "Exception", "Warning")
"""What is called so is looked up at once: Python takes nothing but a class after ``except``."""
_ASKED_BY_PYTHON = ("__path__", "__file__")
"""What the import system asks modules for that may have none."""


@contextmanager
def postponed(
    *names: str, classes: Sequence[str] = (), bases: Sequence[str] = ()
) -> Iterator[None]:
    """Put off imports of these modules, and of what is below them, by any other module.

    A module that is not installed is not found, as ever. What is imported from ``classes`` passes
    for a class at once. A class made from one of ``bases`` waits too, until its first instance; the
    metaclass must be ``type`` or ``abc.ABCMeta``.
    """
    finder = _Finder(names, classes, bases)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name in tuple(finder.names):
            finder.release(name)


class _Finder:
    """Finds a stand-in in the place of each module that is put off."""

    def __init__(self, names: Sequence[str], classes: Sequence[str], bases: Sequence[str]) -> None:
        self.names = {*names, *classes, *bases}
        self._classes = frozenset(classes)
        self._bases = frozenset(bases)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if self.root_of(fullname) is None:
            return None
        real = PathFinder.find_spec(fullname, path)
        if real is None:
            return None
        loader: Any = self  # it has what importlib asks for; its base class costs an import
        spec = ModuleSpec(fullname, loader, origin=real.origin)
        spec.submodule_search_locations = real.submodule_search_locations
        return spec

    def root_of(self, fullname: str) -> str | None:
        """The name by which a module is put off: its own, or that of a package it is in."""
        name = fullname
        while name and name not in self.names:
            name = name.rpartition(".")[0]
        return name or None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return StandIn(spec.name, self)

    def exec_module(self, module: ModuleType) -> None:
        """Nothing runs: that is the point."""

    def release(self, name: str) -> None:
        """From now on this module is imported like any other."""
        self.names.discard(name)
        below = f"{name}."
        for each, module in tuple(sys.modules.items()):
            if isinstance(module, StandIn) and f"{each}.".startswith(below):
                del sys.modules[each]
                package, _, last = each.rpartition(".")
                vars(sys.modules.get(package, module)).pop(last, None)

    def stand_in_for(self, module: StandIn, name: str) -> Postponed:
        """What a module is said to have under a name."""
        if module.__name__ in self._classes:
            return PostponedClass(module, name)
        if self.root_of(module.__name__) in self._bases:
            return PostponedBase(module, name)
        return Postponed(module, name)

    def load(self, name: str) -> ModuleType:
        """The real module."""
        root = self.root_of(name)
        if root is not None:
            self.release(root)
        return import_module(name)


class StandIn(ModuleType):
    """A module that has not run. What it is asked for, it has."""

    def __init__(self, name: str, finder: _Finder) -> None:
        super().__init__(name)
        self._finder = finder

    def __getattr__(self, name: str) -> Any:
        if name in _ASKED_BY_PYTHON:
            raise AttributeError(name)
        if name.startswith("__") or name.endswith(_AT_ONCE) or _is_loaded(self):
            return _look_up(self, name)
        return self._finder.stand_in_for(self, name)


class Postponed:
    """Stands for what a module has under a name, and does what that does once it is used."""

    def __init__(self, module: StandIn, name: str) -> None:
        self._module = module
        self._name = name

    def __getattr__(self, name: str) -> Any:
        return getattr(_real(self), name)

    def __setattr__(self, name: str, value: Any) -> None:
        # Packages say of what they re-export that it is theirs.
        if name in ("_module", "_name", "__module__"):
            super().__setattr__(name, value)
        else:
            setattr(_real(self), name, value)

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return _real(self)(*arguments, **named)

    def __getitem__(self, key: Any) -> Any:
        return _real(self)[key]

    def __iter__(self) -> Iterator[Any]:
        return iter(_real(self))

    def __or__(self, other: Any) -> Any:
        return _real(self) | other

    def __ror__(self, other: Any) -> Any:
        return other | _real(self)

    def __instancecheck__(self, instance: object) -> bool:
        # Nothing is an instance of a class whose module never ran.
        return _is_loaded(self._module) and isinstance(instance, _real(self))

    def __subclasscheck__(self, subclass: type) -> bool:
        return _is_loaded(self._module) and issubclass(subclass, _real(self))

    def __mro_entries__(self, _bases: tuple[Any, ...]) -> tuple[type, ...]:
        return (_real(self),)

    def __repr__(self) -> str:
        return f"<postponed {self._module.__name__}.{self._name}>"


class PostponedClass(Postponed):
    """Says that it is a class, where somebody wants one without using it yet."""

    @property
    def __class__(self) -> type:
        return type

    @__class__.setter
    def __class__(self, _value: type) -> None: ...


class PostponedBase(Postponed):
    """Can be subclassed as well before it is there."""

    def __mro_entries__(self, _bases: tuple[Any, ...]) -> tuple[type, ...]:
        return (_real(self) if _is_loaded(self._module) else _base_in_place_of(self),)


class _Waiting(ABCMeta):
    """Metaclass of a class whose base is not there yet: the first instance brings it."""

    def __call__(cls, *arguments: Any, **named: Any) -> Any:
        for each in cls.__mro__[:-1]:
            if any(base in _awaited for base in each.__bases__):
                each.__bases__ = tuple(
                    _real(_awaited[base]) if base in _awaited else base for base in each.__bases__
                )
        return super().__call__(*arguments, **named)


_awaited: dict[type, Postponed] = {}


def _base_in_place_of(postponed: Postponed) -> type:
    base = _Waiting(repr(postponed), (), {})
    _awaited[base] = postponed
    return base


def _real(postponed: Postponed) -> Any:
    return _look_up(postponed._module, postponed._name)


def _look_up(module: StandIn, name: str) -> Any:
    """What ``from module import name`` finds."""
    real = module._finder.load(module.__name__)
    if not hasattr(real, name) and hasattr(real, "__path__"):
        return import_module(f"{module.__name__}.{name}")
    return getattr(real, name)


def _is_loaded(module: StandIn) -> bool:
    return not isinstance(sys.modules.get(module.__name__, module), StandIn)
