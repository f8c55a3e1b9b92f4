"""What is imported while imports are put off is there when it is used, and not before."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from podlift.worker.postponing import postponed

HEAVY = """
RAN = True

class Animal:
    legs = 4

    def __init__(self, name="cat"):
        self.name = name

    def sound(self):
        return f"{self.name} says nothing"

class AnimalError(Exception):
    pass

def double(number):
    return 2 * number

table = {"a": 1}
"""


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Writes modules that can be imported; those of them that ran are forgotten in the end."""
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)

    def modules(**texts: str) -> None:
        for name, text in texts.items():
            (tmp_path / f"{name}.py").write_text(text)
        importlib.invalidate_caches()

    yield modules
    for name in set(sys.modules) - before:
        del sys.modules[name]


def imported(text: str, write: Callable[..., None], **kinds: tuple[str, ...]) -> ModuleType:
    """A module of this text, imported while ``heavy`` is put off."""
    write(heavy=HEAVY, light=text)
    names = () if kinds else ("heavy",)
    with postponed(*names, **kinds):
        return importlib.import_module("light")


def has_run() -> bool:
    return "heavy" in sys.modules


@pytest.mark.parametrize(
    ("text", "use", "result"),
    [
        ("from heavy import double", "double(4)", 8),
        ("from heavy import Animal", "Animal.legs", 4),
        ("from heavy import Animal", "Animal('dog').sound()", "dog says nothing"),
        ("from heavy import Animal", "type('Cat', (), {'a': Animal()})().a.name", "cat"),
        ("from heavy import table", "table['a']", 1),
        ("from heavy import table", "list(table)", ["a"]),
        ("from heavy import Animal", "(Animal | None).__args__[0].legs", 4),
        ("from heavy import Animal", "(None | Animal).__args__[1].legs", 4),
        ("import heavy", "heavy.double(4)", 8),
        ("import heavy as other", "other.Animal().name", "cat"),
        ("import heavy", "heavy.__name__", "heavy"),
        ("import heavy", "heavy.__doc__", None),
    ],
)
def test_a_module_runs_when_it_is_used(
    write: Callable[..., None], text: str, use: str, result: object
) -> None:
    light = imported(text, write)
    assert not has_run()
    assert eval(use, vars(light)) == result


def test_nothing_is_an_instance_of_what_has_not_run(write: Callable[..., None]) -> None:
    light = imported("from heavy import Animal", write)
    assert not isinstance("text", light.Animal)
    assert not issubclass(str, light.Animal)
    assert not has_run()
    heavy = importlib.import_module("heavy")
    assert isinstance(heavy.Animal(), light.Animal)
    assert issubclass(heavy.Animal, light.Animal)
    assert not isinstance("text", light.Animal)


def test_a_subclass_is_made_of_the_real_class(write: Callable[..., None]) -> None:
    light = imported("from heavy import Animal\nclass Cat(Animal): pass", write)
    assert has_run()
    assert light.Cat.__bases__ == (sys.modules["heavy"].Animal,)


def test_a_subclass_can_wait_for_its_base(write: Callable[..., None]) -> None:
    text = (
        "import heavy\n"
        "class Cat(heavy.Animal):\n"
        "    def __init__(self, name, age):\n"
        "        super().__init__(name)\n"
        "        self.age = age\n"
    )
    light = imported(text, write, bases=("heavy",))
    assert not has_run()
    cat = light.Cat("tom", age=3)
    assert (cat.sound(), cat.age) == ("tom says nothing", 3)
    assert isinstance(cat, sys.modules["heavy"].Animal)
    assert light.Cat("tim", 1).name == "tim"


def test_what_is_said_to_be_a_class_passes_for_one(write: Callable[..., None]) -> None:
    light = imported("from heavy import Animal", write, classes=("heavy",))
    assert isinstance(light.Animal, type)
    assert not has_run()
    assert light.Animal().name == "cat"


def test_errors_are_there_at_once_because_they_may_be_caught(write: Callable[..., None]) -> None:
    light = imported("from heavy import AnimalError", write)
    assert issubclass(light.AnimalError, Exception)
    assert has_run()


def test_a_module_that_is_not_installed_is_not_found(write: Callable[..., None]) -> None:
    write(light="try:\n    import heavier\nexcept ImportError:\n    heavier = None")
    with postponed("heavier"):
        assert importlib.import_module("light").heavier is None


def test_a_name_that_a_module_does_not_have_is_said_when_it_is_used(
    write: Callable[..., None],
) -> None:
    light = imported("from heavy import triple", write)
    with pytest.raises(AttributeError, match="triple"):
        light.triple(4)


def test_packages_are_put_off_with_what_is_in_them(
    tmp_path: Path, write: Callable[..., None]
) -> None:
    (tmp_path / "house").mkdir()
    (tmp_path / "house" / "__init__.py").write_text("from house.room import size")
    (tmp_path / "house" / "room.py").write_text("size = 20\ndef double(): return 2 * size")
    (tmp_path / "house" / "roof.py").write_text("def colour(): return 'red'")
    write(light="import house.room\nfrom house import roof, size\nfrom house.room import double")
    with postponed("house"):
        light = importlib.import_module("light")
    assert not [name for name in sys.modules if name.startswith("house")]
    assert light.roof.colour() == "red"
    assert light.double() == 40
    assert light.house.room.double() == 40
    assert importlib.import_module("house").room is sys.modules["house.room"]


def test_what_is_imported_afterwards_is_the_module_itself(write: Callable[..., None]) -> None:
    imported("import heavy", write)
    assert sys.modules.get("heavy") is None
    heavy = importlib.import_module("heavy")
    assert vars(heavy)["RAN"]
    assert type(heavy) is ModuleType


def test_what_is_used_at_once_is_imported_once(write: Callable[..., None]) -> None:
    text = "import heavy\neight = heavy.double(4)\nfrom heavy import Animal"
    light = imported(text, write)
    assert light.eight == 8
    assert light.Animal is sys.modules["heavy"].Animal


def test_a_package_may_say_that_what_it_passes_on_is_its_own(write: Callable[..., None]) -> None:
    light = imported("from heavy import double\ndouble.__module__ = __name__", write)
    assert not has_run()
    assert light.double.__module__ == "light"
