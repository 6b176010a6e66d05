"""Columns that name rows instead of saying something about them."""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc

from .columns import is_text

#: Names under which pandas stores row numbers.
_INDEX = re.compile(r"__index_level_\d+__|Unnamed: ?\d+(_level_\d+)?")
#: Names that people give to row ids.
_NAME = re.compile(
    r"(?i)(row|record|sample)?[ _.-]?(id|uid|uuid|guid|no|number|nr|key|index|idx)|.+[ _.-](id|uuid|guid)"
)
_ID = re.compile(r"(?i)id|uid|uuid|guid|.+[ _.-](id|uuid|guid)")
_CAMEL = re.compile(r"[A-Za-z]*[a-z](Id|ID|UID|UUID)")
#: What ids look like: letters and a number, hexadecimal digits, a UUID.
_SHAPE = (
    r"^([A-Za-z]{0,8}[-_#:/. ]?[0-9]{1,}([-_/.][0-9A-Za-z]{1,8}){0,3}"
    r"|[0-9a-fA-F]{8}(-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}|[0-9a-fA-F]{16,64})$"
)
#: Ids of so few different things are categories.
_CATEGORIES = 50
#: Fewer rows can all be different by chance; a share of rows may lack an id, or repeat one.
_FEWEST, _DIFFERENT = 30, 0.95


def is_index(name: str) -> bool:
    """Whether pandas gave the name to its row numbers.

    Example:
        >>> is_index("__index_level_0__"), is_index("Unnamed: 0"), is_index("level")
        (True, True, False)
    """
    return _INDEX.fullmatch(name) is not None


def named_like_id(name: str) -> bool:
    """Whether people give such a name to ids.

    Example:
        >>> named_like_id("customer_id"), named_like_id("userId"), named_like_id("humid")
        (True, True, False)
    """
    return _NAME.fullmatch(name) is not None or _CAMEL.fullmatch(name) is not None


def looks_like_id(column: pa.ChunkedArray, name: str) -> bool:
    """Whether nearly every row has a distinct value, and the name or all cells look like row ids.

    Whole numbers are ids only by the name: a column of different numbers can be a measurement.

    Example:
        >>> texts = pa.chunked_array([[f"C-{number:05d}" for number in range(50)]])
        >>> looks_like_id(texts, "code"), looks_like_id(pa.chunked_array([list(range(50))]), "customer_id")
        (True, True)
        >>> looks_like_id(pa.chunked_array([list(range(50))]), "size")
        False
    """
    named = named_like_id(name)
    if len(column) < _FEWEST or not (is_text(column.type) or (named and pa.types.is_integer(column.type))):
        return False
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pc.count_distinct(column).as_py() < _DIFFERENT * len(column):
        return False
    return named or bool(pc.all(pc.match_substring_regex(column, _SHAPE)).as_py())


def names_things(column: pa.ChunkedArray, name: str) -> bool:
    """Whether a column of repeated values names things, such as customers: it has the name of an id, and many different
    numbers, or words that hardly repeat.

    Example:
        >>> names_things(pa.chunked_array([[n // 2 for n in range(200)]]), "customer_id")
        True
        >>> names_things(pa.chunked_array([[n % 10 for n in range(200)]]), "store_id")
        False
    """
    if _ID.fullmatch(name) is None and _CAMEL.fullmatch(name) is None:
        return False
    if pa.types.is_integer(column.type):
        return bool(pc.count_distinct(column).as_py() > _CATEGORIES)
    if not is_text(column.type) or pa.types.is_dictionary(column.type):
        return False
    known = len(column) - column.null_count
    return bool(pc.count_distinct(column).as_py() > max(_CATEGORIES, known / 2))
