"""What the classes and objects of the user's own consist of, read without running their code."""

from __future__ import annotations

import enum
import inspect
from collections.abc import Iterator
from types import FunctionType
from typing import Any

from ...text.redact import MASK, is_secret
from ...text.user_objects import or_none
from ..source_code import functions_of
from .running_code import running_code
from .scopes import Chain

_FIELDS = ("__dataclass_fields__", "__pydantic_fields__", "__attrs_attrs__")
_PLAIN = (str, int, float, bool, type(None))
_GENERATED = frozenset({"__dataclass_params__", "__attrs_attrs__"})


def attributes_of_class(kind: type) -> Iterator[tuple[str, Any]]:
    """Yield the names and values that are written in a class, in the order of the names.

    For a dataclass and its like, and for annotations, also what is written of each field. Methods
    that Python or a library adds are left out.
    """
    own = vars(kind)
    if issubclass(kind, enum.Enum):
        yield from ((name, each.value) for name, each in kind.__members__.items())
    for name in sorted(own):
        value = own[name]
        is_bound = isinstance(value, (staticmethod, classmethod))
        function = value.__func__ if is_bound else value
        if isinstance(function, FunctionType):
            if _is_written_in(kind, name, function):
                yield name, value
        elif not (_is_dunder(name) or name == "_abc_impl" or _is_of_enum(kind, name, value)):
            yield name, value
    yield from _fields(kind)


def _fields(kind: type) -> Iterator[tuple[str, Any]]:
    annotations = or_none(inspect.get_annotations, kind) or {}
    yield from sorted(annotations.items())
    for holder in _FIELDS:
        fields = vars(kind).get(holder)
        if isinstance(fields, tuple):
            fields = {each.name: each for each in fields}
        # Those that are inherited are written in another class.
        yield from ((name, each) for name, each in (fields or {}).items() if name in annotations)


def ordered_names(kind: type) -> list[str]:
    """Return the names in a class whose order counts: of the members of an Enum, and of fields."""
    if issubclass(kind, enum.Enum):
        return [*kind.__members__]
    has_fields = any(holder in vars(kind) for holder in _FIELDS)
    return [*(or_none(inspect.get_annotations, kind) or ())] if has_fields else []


def _is_dunder(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")


def _is_written_in(kind: type, name: str, function: FunctionType) -> bool:
    """Whether a function was written by the user, and not added by Python or a library."""
    if not name.startswith("_"):
        return True
    if name.startswith("__annotate"):  # Python's own, since 3.14
        return False
    is_generated = not _GENERATED.isdisjoint(vars(kind)) or issubclass(kind, tuple)
    if is_generated and function.__code__.co_filename.startswith("<"):
        return False
    return function.__globals__.get("__name__") == kind.__module__


def _is_of_enum(kind: type, name: str, value: Any) -> bool:
    """Whether an attribute of an Enum is a member, or Python's own."""
    if not issubclass(kind, enum.Enum):
        return False
    return name in kind.__members__ or (name.startswith("_") and not isinstance(value, property))


def attributes_of_object(value: Any) -> dict[str, Any]:
    """Return the attributes of an object by name, those in slots too."""
    attributes: dict[str, Any] = {}
    for kind in type(value).__mro__:
        slots = vars(kind).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            slot = vars(kind).get(name)
            if inspect.ismemberdescriptor(slot):
                try:
                    attributes[name] = slot.__get__(value)
                except AttributeError:  # it was not assigned
                    continue
    attributes.update(or_none(vars, value) or {})
    return {name: each for name, each in attributes.items() if isinstance(name, str)}


def plain_attributes(value: Any, *, masks: bool) -> dict[str, Any]:
    """Return the public attributes of an object that are texts, numbers, bools or None.

    Also its `base_url`, which the clients of most services compute.

    Args:
        masks: whether secrets are masked.
    """
    attributes = attributes_of_object(value)
    attributes["base_url"] = or_none(lambda: str(getattr(value, "base_url", None)))
    return {
        name: MASK if masks and is_secret(name, each) else each
        for name, each in sorted(attributes.items())
        if type(each) in _PLAIN and not name.startswith("_")
    }


def is_limit(kind: type, name: str) -> bool:
    """Whether an attribute of a node belongs to a class of flowmagic: a limit, which changes no answer."""
    return any(
        name in vars(base) or name in vars(base).get("__annotations__", ())
        for base in kind.__mro__
        if base.__module__.partition(".")[0] == "flowmagic"
    )


def changed_by_methods(kind: type, *, assigned: bool) -> set[Chain]:
    """Return the attributes that the methods of a class change in their object.

    Args:
        assigned: whether those count that they assign, too; a copy has its own.
    """
    changed: set[Chain] = set()
    for function in functions_of(kind):
        names = running_code(function).syntax.names
        changed |= names.changes_on_self
        if assigned:
            changed |= names.assigns_on_self
    return changed
