"""The rows of a CSV or JSON Lines file, each a dict of params.

Nothing is guessed and nothing is lost: a file that does not follow its format is refused, with the
number of the line. CSV is that of RFC 4180, in which a quote inside a value is doubled and the value
is enclosed in quotes. Semicolons or tabs may separate the values instead of commas.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator
from typing import Any

from ..errors import BatchError, describe
from .row import repeated
from .trace import Params


def rows_of_file(path: os.PathLike[str] | str) -> list[Params]:
    """Read a batch from a `.csv` file (a header, then one row per instance) or a `.jsonl` file.

    Values from CSV are text, unchanged ("007" stays "007"). Values from JSON Lines keep their types.
    Empty lines are no rows.

    Raises:
        BatchError: the file has another extension, or a line is malformed. The message names the line.
        OSError: the file cannot be read.
    """
    name = os.fsdecode(path)
    extension = os.path.splitext(name)[1].lower()
    try:
        if extension == ".csv":
            return _read_csv(name)
        if extension in (".jsonl", ".ndjson"):
            return _read_jsonl(name)
    except UnicodeDecodeError as error:
        raise BatchError(f"{name}: not text in UTF-8 ({error}).") from None
    raise BatchError(f"The file {name!r} ends neither in .csv nor in .jsonl.")


# The csv module accepts an unclosed quote or reports it at the end of the file, and limits the length
# of a value for the whole process.


def _read_csv(name: str) -> list[Params]:
    # utf-8-sig: spreadsheets write a byte-order mark, which would otherwise be part of the first key.
    # newline: a line end inside a value is part of it.
    with open(name, newline="", encoding="utf-8-sig") as file:
        records = _records(file)
        first, text = next(records, (1, ""))
        delimiter = _delimiter(text)
        header = _values(text, delimiter, name, first)
        if twice := repeated(header):
            # One of the columns would be lost silently.
            raise BatchError(
                f"{name}, line {first}: the header names {twice[0]!r} twice. Rename one of them."
            )
        rows: list[Params] = []
        for line, record in records:
            values = _values(record, delimiter, name, line)
            if len(values) != len(header):
                raise BatchError(
                    f"{name}, line {line}: not as many values ({len(values)}) as the header has names "
                    f"({len(header)}). Put each value that contains {delimiter!r} into quotes."
                )
            rows.append(dict(zip(header, values, strict=True)))
        return rows


def _records(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    """Yield the number of its first line and the text of each record; skip empty lines.

    A line in which a quote is open continues on the next one. A quote inside a value is doubled, so
    that the number of quotes shows whether one is open.
    """
    parts: list[str] = []
    quotes = 0
    for number, line in enumerate(lines, 1):
        parts.append(line)
        quotes += line.count('"')
        if quotes % 2 == 0:
            if record := "".join(parts).rstrip("\r\n"):
                yield number - len(parts) + 1, record
            parts = []
    if parts:  # its last quote is not closed: refused when it is split
        yield number - len(parts) + 1, "".join(parts)


_QUOTED = re.compile(r'"([^"]*(?:""[^"]*)*)"(?!")')
_LINE_END = re.compile(r"\r\n|\r|\n")


def _delimiter(header: str) -> str:
    """Return the delimiter of a file: a comma, unless the header has only semicolons or tabs."""
    names = _QUOTED.sub("", header)
    return next((each for each in ",;\t" if each in names), ",")


def _values(record: str, delimiter: str, name: str, first: int) -> list[str]:
    """Split a record of the file `name`, which begins in line `first`, into its values."""
    if '"' not in record:
        return record.split(delimiter)
    values = []
    at = 0
    while True:
        if record.startswith('"', at):
            quoted = _QUOTED.match(record, at)
            if quoted is None:
                line = _line(first, record, at)
                raise BatchError(
                    f"{name}, line {line}: the quote before a value is never closed. {_QUOTES}"
                )
            values.append(quoted[1].replace('""', '"'))
            end = quoted.end()
        else:
            end = record.find(delimiter, at)
            end = len(record) if end < 0 else end
            values.append(record[at:end])
            if '"' in values[-1]:
                line = _line(first, record, at)
                raise BatchError(
                    f"{name}, line {line}: a quote inside a value that does not begin with one. "
                    f"{_QUOTES}"
                )
        if end == len(record):
            return values
        if record[end] != delimiter:
            line, last = _line(first, record, at), _line(first, record, end)
            raise BatchError(
                f"{name}, line {line}: the quoted value that begins here ends in line {last}, but text "
                f"follows its last quote. {_QUOTES}"
            )
        at = end + 1


def _line(first: int, record: str, at: int) -> int:
    """Return the number of the line of a position in a record, which begins in line `first`."""
    return first + len(_LINE_END.findall(record, 0, at))


_QUOTES = 'Enclose the value in quotes, and double each quote inside it: "say ""hi"""'


class _RepeatedKeyError(Exception):
    """An object of JSON has a key twice, which is its argument."""


def _read_jsonl(name: str) -> list[Params]:
    rows: list[Params] = []
    with open(name, encoding="utf-8-sig") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line, object_pairs_hook=_object)
            except _RepeatedKeyError as error:
                raise BatchError(
                    f"{name}, line {number}: the key {error.args[0]!r} occurs twice in one object. "
                    "Remove or rename one."
                ) from None
            except (ValueError, RecursionError) as error:
                raise BatchError(f"{name}, line {number}: not JSON ({error}).") from None
            if not isinstance(row, dict):
                raise BatchError(
                    f"{name}, line {number}: {describe(row)}, not a dict of params. "
                    'Each line is one object: {"user_id": 1}'
                )
            rows.append(row)
    return rows


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        raise _RepeatedKeyError(repeated(key for key, _ in pairs)[0])
    return row
