"""Values as texts that are equal if the values are, in every process, and differ otherwise.

Type and content count: 1, 1.0 and True differ, as do a list and a tuple, and dicts in another order.
The order of a set does not count. What is stored under the name of a secret is masked, unless the
secrets themselves have to count.

Besides Python's own types, arrays and frames of numpy and pandas, an object of Python's library or of
an installed package has an exact form if it can be pickled: what `pickle` would rebuild it from. What
cannot (a client, an open file, a lock), what is too large, iterators and random generators have none.
"""

from __future__ import annotations

import contextlib
import copyreg
import enum
import hashlib
import itertools
import sys
import typing
from collections.abc import Callable, Collection, Iterator
from types import MappingProxyType, UnionType
from typing import Any

from ...text.redact import MASK, is_secret
from ...text.user_objects import within_budget

_PLAIN = frozenset({str, int, float, bool, bytes, complex, type(None), type(...)})
"""Types whose repr is exact; that of a list of them is made in one go."""

_TEXTS = (str, bytes)

_BASES = (dict, list, tuple, set, frozenset, str, bytes, bytearray, int, float, complex)
_MOST_DEPTH = 60
_MOST_OBJECTS = 20_000  # that are written one by one: some 50 ms
_MOST_ITEMS = 1_000_000  # of one plain list: some 50 ms
_MOST_BYTES = 1 << 27  # of one text, array or plain list: some 200 ms
_MOST_KEYS = 2_000  # that are looked through for secrets, and items that are not weighed
_VARYING = ("random", "numpy.random", "itertools")
"""Modules whose objects are new in each process, or change whenever they are used."""

TOO_LARGE = "too large"
NO_EXACT_FORM = "no exact form"


class _NoFormError(Exception):
    """A value has no exact form; the argument is the reason."""


class ValueWriter:
    """Writes values as texts.

    Args:
        link: returns the text that stands for what is followed rather than written, such as a function
            or an object of the user's own class, given with its name; None for anything else.
        left_out: called with the name of a value that has no exact form, and the reason.
        describe: returns a text for an object that has no exact form; None: it is left out.
        masks: whether what is stored under the name of a secret is masked.
    """

    def __init__(
        self,
        link: Callable[[Any, str], str | None],
        left_out: Callable[[str, str], None],
        *,
        describe: Callable[[Any, str], str | None] = lambda _, __: None,
        masks: bool = True,
    ) -> None:
        self._link = link
        self._left_out = left_out
        self._describe = describe
        self._masks = masks
        self._active: list[int] = []
        self._left = _MOST_OBJECTS
        self._in_object = False

    def text(self, value: Any, name: str) -> str:
        """Return a value as text; `name` is what it is called in messages."""
        kind = type(value)
        if kind in _PLAIN and not (kind in _TEXTS and len(value) > _MOST_BYTES):
            return _plain_text(value)
        if not self._active:
            self._left = _MOST_OBJECTS
        if id(value) in self._active:
            return f"cycle {len(self._active) - self._active.index(id(value))}"
        self._active.append(id(value))
        try:
            return self._text(value, name)
        except _NoFormError as error:
            if self._in_object:
                raise
            if (text := self._describe(value, name)) is not None:
                return text
            self._left_out(name, str(error))
        except Exception:  # noqa: BLE001 - reading a user's object may raise anything
            if self._in_object:
                raise _NoFormError(NO_EXACT_FORM) from None
            if (text := self._describe(value, name)) is not None:
                return text
            self._left_out(name, NO_EXACT_FORM)
        finally:
            self._active.pop()
        return f"some {kind.__module__}.{kind.__qualname__}"

    def _text(self, value: Any, name: str) -> str:
        self._left -= 1
        kind = type(value)
        if self._left < 0 or len(self._active) > _MOST_DEPTH or kind in _TEXTS:
            raise _NoFormError(TOO_LARGE)
        if kind in _WRITERS:
            return _WRITERS[kind](self, value, name)
        if isinstance(value, enum.Enum):
            return f"{self.text(kind, name)}.{value.name} {self.text(value.value, name)}"
        if (origin := typing.get_origin(value)) is not None:
            return self._alias(value, origin, name)
        linked = self._link(value, name)
        base: Any = next((each for each in _BASES if isinstance(value, each)), None)
        if linked is not None:
            return linked if base is None else f"{linked} {self.text(base(value), name)}"
        if base in (set, frozenset):  # a subclass of a library: its pickle has no order either
            return f"{self.text(kind, name)} {self._set(value, name)}"
        return self._in_one(value, name)

    def _alias(self, value: Any, origin: Any, name: str) -> str:
        """Write a type such as `list[str]`, alike in every version of Python."""
        text = "union" if origin in (UnionType, typing.Union) else self.text(origin, name)
        return f"{text}[{self.text(typing.get_args(value), name)}]"

    def _in_one(self, value: Any, name: str) -> str:
        """Write an object of a library, which has an exact form if all that it consists of has one."""
        in_object, self._in_object = self._in_object, True
        try:
            for write in (_numpy_text, _pandas_text):
                text = write(self, value, name)
                if text is not None:
                    return text
            return self._pickled(value, name)
        finally:
            self._in_object = in_object

    def _pickled(self, value: Any, name: str) -> str:
        module = type(value).__module__
        is_iterator = module == "builtins" and isinstance(value, Iterator)
        if is_iterator or module.startswith(_VARYING):
            raise _NoFormError(NO_EXACT_FORM)
        reduced: Any = within_budget(_reduced, value)
        if reduced is None:
            raise _NoFormError(TOO_LARGE)
        if isinstance(reduced, str):
            return f"global {getattr(value, '__module__', module)}.{reduced}"
        function, arguments, state, items, pairs = (*reduced, None, None, None, None)[:5]
        # The pairs as a dict, so that secrets among them are masked.
        parts = (function, arguments, state, _listed(items), dict(_listed(pairs)))
        return f"object({', '.join(self.text(each, name) for each in parts)})"

    def _sequence(self, value: Any, name: str) -> str:
        kind = type(value).__name__
        _check_size(value)
        if _PLAIN.issuperset(map(type, value)):
            with contextlib.suppress(ValueError):  # it holds a very long int
                return f"{kind} {value!r}"
        texts = (self.text(each, self._item(name, at)) for at, each in enumerate(value))
        return f"{kind}({', '.join(texts)})"

    def _item(self, name: str, key: Any) -> str:
        """Return what an item is called; what an object of a library consists of has its name."""
        return name if self._in_object else f"{name}[{key!r}]"

    def _set(self, value: Any, name: str) -> str:
        _check_size(value)
        texts = sorted(self.text(each, name) for each in value)
        return f"{'set' if isinstance(value, set) else 'frozenset'}({', '.join(texts)})"

    def _dict(self, value: dict[Any, Any], name: str) -> str:
        _check_size(value)
        _check_size(value.values())
        may_mask = self._masks and len(value) <= _MOST_KEYS
        secret = may_mask and any(is_secret(key, each) for key, each in value.items())
        if not secret and _PLAIN.issuperset(map(type, (*value, *value.values()))):
            with contextlib.suppress(ValueError):  # it holds a very long int
                return f"dict {value!r}"
        texts = []
        for key, each in value.items():
            shown = MASK if secret and is_secret(key, each) else each
            texts.append(f"{self.text(key, name)}: {self.text(shown, self._item(name, key))}")
        return f"dict({', '.join(texts)})"

    def _proxy(self, value: MappingProxyType[Any, Any], name: str) -> str:
        return f"proxy {self.text(dict(value), name)}"


_WRITERS: dict[type, Callable[[ValueWriter, Any, str], str]] = {
    list: ValueWriter._sequence,
    tuple: ValueWriter._sequence,
    set: ValueWriter._set,
    frozenset: ValueWriter._set,
    dict: ValueWriter._dict,
    MappingProxyType: ValueWriter._proxy,
    bytearray: lambda _, value, __: f"bytearray {bytes(value)!r}",
}


def _plain_text(value: Any) -> str:
    # The repr of a very long int is refused.
    return hex(value) if type(value) is int and abs(value) >> 2_000 else repr(value)


def _check_size(items: Collection[Any]) -> None:
    """Raise _NoFormError if there are too many items, or if these are too large together."""
    many = len(items) > _MOST_KEYS
    if len(items) > _MOST_ITEMS or (many and sum(map(sys.getsizeof, items)) > _MOST_BYTES):
        raise _NoFormError(TOO_LARGE)


def _listed(items: Any) -> list[Any]:
    return [] if items is None else list(itertools.islice(items, _MOST_ITEMS + 1))


def _reduced(value: object) -> Any:
    registered: Any = copyreg.dispatch_table.get(type(value))
    return value.__reduce_ex__(4) if registered is None else registered(value)


def _numpy_text(writer: ValueWriter, value: Any, name: str) -> str | None:
    """Return the text of a numpy array or scalar; None for anything else."""
    numpy = sys.modules.get("numpy")
    if numpy is None or not isinstance(value, (numpy.ndarray, numpy.generic)):
        return None
    if value.nbytes > _MOST_BYTES:
        raise _NoFormError(TOO_LARGE)
    if value.dtype.hasobject:
        content = writer.text(value.tolist(), name)
    else:
        content = hashlib.blake2b(value.tobytes(), digest_size=16).hexdigest()
    return f"{type(value).__name__} {value.dtype!r} {value.shape} {content}"


def _pandas_text(writer: ValueWriter, value: Any, name: str) -> str | None:
    """Return the text of a pandas frame, series or index; None for anything else.

    The pickle of a frame also tells how its columns are laid out in memory, which reading changes.
    """
    pandas = sys.modules.get("pandas")
    if pandas is None:
        return None
    if isinstance(value, pandas.DataFrame):
        columns = [value.iloc[:, at] for at in range(value.shape[1])]
        parts = [value.columns, value.index, value.attrs, *(each.array for each in columns)]
    elif isinstance(value, pandas.MultiIndex):
        levels = map(value.get_level_values, range(value.nlevels))
        parts = [list(value.names), *(each.array for each in levels)]
    elif isinstance(value, (pandas.Series, pandas.Index)):
        parts = [value.name, value.array, str(getattr(value, "freq", None))]
        if isinstance(value, pandas.Series):
            parts += [value.index, value.attrs]
    elif isinstance(value, pandas.api.extensions.ExtensionArray):
        parts = [str(value.dtype), value.to_numpy()]
        if isinstance(value, pandas.Categorical):
            parts += [value.categories, value.ordered]
    else:
        return None
    texts = [writer.text(each, name) for each in parts]
    return f"{type(value).__name__}({', '.join(texts)})"
