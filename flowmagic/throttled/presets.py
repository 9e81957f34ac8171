"""Limits that are known by name: those of providers, and rules of thumb.

    node = ThrottledParallelBatchNode(**Presets.OPENAI_TIER1)
    flowmagic.set_limit("openai", **Presets.CONFIGS["openai_tier1"].limits())

Every figure stands in `presets.json`, beside this module, with where it is from (`source`) and the
day it was taken from there (`date`): providers change theirs, so compare before you rely on one.
Files of the same form add presets and override ours: those that `Presets.load` is given, and the one
that the environment variable FLOWMAGIC_PRESETS names, which is read at the first use.

    {"Presets": {"OUR_GATEWAY": {"max_concurrent": 8, "max_per_minute": 300},
                 "DEFAULT": {"same_as": "OUR_GATEWAY"}},
     "FlowPresets": {"NIGHTLY": {"max_concurrent_flows": 20}}}
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping
from dataclasses import fields
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from ..errors import LimitError, describe
from .preset_schema import (
    FlowRateLimitConfig,
    RateLimitConfig,
    Written,
    check,
    in_json,
    in_python,
    near,
    require,
)

VARIABLE = "FLOWMAGIC_PRESETS"
"""The environment variable that names a file of the user's own presets."""

_Entry = RateLimitConfig | FlowRateLimitConfig | str
"""A preset; or, as a str, the name of the one that it is the same as."""
_Shelves = dict[str, dict[str, _Entry]]

_KINDS: dict[str, type[Any]] = {"Presets": RateLimitConfig, "FlowPresets": FlowRateLimitConfig}


def _entry(section: str, name: Any, given: Any, written: Written) -> tuple[str, _Entry]:
    """Check one preset, and return it under the name it is kept by."""
    # `CONFIGS`, and what begins with an underscore, are no presets when looked up as attributes.
    named = isinstance(name, str) and name.isidentifier() and name[0] != "_"
    if not named or name.upper() == "CONFIGS":
        raise LimitError(f"{name!r} is no name for a preset. Write for example 'OUR_GATEWAY'.")
    if not isinstance(given, Mapping):
        raise LimitError(
            f"{name} is {describe(given)}, not an object of fields. "
            f'Write for example "{name}": {{{in_json(fields(_KINDS[section])[0].name, 5)}}}.'
        )
    try:
        if set(given) == {"same_as"}:
            require("same_as", given["same_as"], written)
            return name.upper(), given["same_as"].upper()
        check(_KINDS[section], given, written)
    except LimitError as wrong:
        raise LimitError(f"{section}.{name}: {wrong}") from None
    return name.upper(), _KINDS[section](**given)


def _parse(text: str) -> _Shelves:
    """Read a file's text; nothing of it counts if anything in it is wrong."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise LimitError(f"this is no JSON: {error}.") from None
    if not isinstance(data, dict):
        raise LimitError(f'found {describe(data)}, not {{"Presets": {{…}}}}.')
    shelves: _Shelves = {}
    for section, presets in data.items():
        if section not in _KINDS:
            raise LimitError(f"{section!r} is no part of a presets file. {near(section, _KINDS)}")
        if not isinstance(presets, dict):
            raise LimitError(f"{section} is {describe(presets)}, not an object of presets.")
        shelves[section] = dict(
            _entry(section, name, given, in_json) for name, given in presets.items()
        )
    return shelves


def _follow(shelf: Mapping[str, _Entry], name: str) -> Any:
    """Return the config that a name stands for; KeyError: the name at which the trail ends."""
    entry, seen = shelf[name], {name}
    while isinstance(entry, str):
        if entry in seen:
            raise KeyError(entry)
        seen.add(entry)
        entry = shelf[entry]
    return entry


class _Library:
    """All presets of the process: ours, and on top of them what the user has given."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._shelves: _Shelves | None = None

    def shelf(self, section: str) -> dict[str, _Entry]:
        """Return what is there, reading the files at the first use."""
        with self._lock:
            if self._shelves is None:
                ours = files("flowmagic").joinpath("presets.json").read_text(encoding="utf-8")
                shelves = _merged({}, _parse(ours), "presets.json")
                path = os.environ.get(VARIABLE)
                if path:
                    shelves = _with_file(shelves, path, f" (named by {VARIABLE})")
                self._shelves = shelves
            return self._shelves[section]

    def load(self, path: str | os.PathLike[str]) -> None:
        """Add what a file holds."""
        with self._lock:
            self.shelf("Presets")
            assert self._shelves is not None
            self._shelves = _with_file(self._shelves, path, "")

    def define(self, section: str, name: str, given: Mapping[str, Any]) -> Any:
        """Add one preset, and return its config."""
        with self._lock:
            self.shelf(section)
            assert self._shelves is not None
            name, entry = _entry(section, name, given, in_python)
            new = {section: {name: entry}}
            self._shelves = _merged(self._shelves, new, f"{section}.define({name!r})")
            return _follow(self._shelves[section], name)


def _with_file(shelves: _Shelves, path: str | os.PathLike[str], why: str) -> _Shelves:
    where = f"Presets file {os.fspath(path)!r}{why}"
    try:
        # Editors on Windows put a mark before the first character.
        with open(path, encoding="utf-8-sig") as file:
            text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise LimitError(f"{where} cannot be read: {error}.") from error
    try:
        new = _parse(text)
    except LimitError as wrong:
        raise LimitError(f"{where}: {wrong}") from None
    return _merged(shelves, new, where)


def _merged(shelves: _Shelves, new: _Shelves, where: str) -> _Shelves:
    """Return the old presets with the new ones over them, if every `same_as` leads somewhere."""
    both = {name: {**shelves.get(name, {}), **new.get(name, {})} for name in _KINDS}
    for section, shelf in both.items():
        for name in shelf:
            try:
                _follow(shelf, name)
            except KeyError as end:
                raise LimitError(
                    f"{where}: {section}.{name}: same_as leads to {end}, not to a preset with "
                    f"figures. {near(end.args[0], (key for key in shelf if key != name))}"
                ) from None
    return both


_library = _Library()


class _Shelf(type):
    """Lets a class give its presets as attributes, without having read them yet."""

    _section: str

    def __getattr__(cls, name: str) -> dict[str, Any]:
        # Whatever looks for special attributes (a debugger, a copy) is not a use.
        shelf = {} if name.startswith("_") else _library.shelf(cls._section)
        if name not in shelf:
            hint = near(name.upper(), shelf) if shelf else ""
            raise AttributeError(f"{cls.__name__} has no preset {name!r}. {hint}".rstrip())
        return dict(_follow(shelf, name).arguments())

    def __dir__(cls) -> list[str]:
        return [*super().__dir__(), "CONFIGS", *_library.shelf(cls._section)]

    @property
    def CONFIGS(cls) -> Mapping[str, Any]:  # noqa: N802 - the name that pocketflow-throttled gave it
        """Every preset with its description, source and date, by its name in lower case."""
        shelf = _library.shelf(cls._section)
        return MappingProxyType({name.lower(): _follow(shelf, name) for name in shelf})


class _Named(metaclass=_Shelf):
    """What both classes of presets do."""

    @classmethod
    def get(cls, name: str) -> dict[str, Any]:
        """Return the arguments of a preset, by its name in any case.

        Raises:
            KeyError: there is no preset of that name; the message says which is near.
        """
        shelf = _library.shelf(cls._section)
        if name.upper() not in shelf:
            raise KeyError(f"Unknown preset: {name!r}. {near(name.upper(), shelf)}")
        return dict(_follow(shelf, name.upper()).arguments())

    @classmethod
    def list_all(cls) -> list[str]:
        """Return the names of all presets."""
        return list(_library.shelf(cls._section))

    @classmethod
    def list_presets(cls) -> dict[str, str]:
        """Return what each preset is for, by its name in lower case."""
        return {name: config.description for name, config in cls.CONFIGS.items()}

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> None:
        """Add the presets of a JSON file, over those of the same names.

        Raises:
            LimitError (a ValueError): the file cannot be read, or something in it is wrong: then
                nothing of it counts.
        """
        _library.load(path)

    @classmethod
    def define(cls, name: str, **given: Any) -> Any:
        """Add one preset, or override one, and return its config.

        Raises:
            LimitError (a ValueError): a field is missing, unknown, or not what it should be.
        """
        return _library.define(cls._section, name, given)


class Presets(_Named):
    """Limits of a service, as arguments for a throttled node: `Presets.OPENAI_TIER1`.

    Example:
        node = ThrottledParallelBatchNode(**Presets.get("openai_tier1"))
        Presets.define("OUR_GATEWAY", max_concurrent=8, max_per_minute=300)
    """

    _section = "Presets"


class FlowPresets(_Named):
    """Limits of a throttled flow, as its arguments: `FlowPresets.BATCH_PROCESSING`."""

    _section = "FlowPresets"
