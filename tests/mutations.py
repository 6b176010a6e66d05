"""Damaged copies of files and hostile values, for property-based tests."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

#: What parsers stumble over.
TOKENS = [
    *(b"", b"\0", b"null", b"NaN", b"-Infinity", b"1e999", b"[]", b"{}", b'""', b'"', b",", b"\n", b"\xff\xfe", b"-1"),
    *(b"0", b"true", b"99999999999999999999", b"../../x", b"<b>", b"&a [*a]", b"!!python/object:os.system"),
    *(b"\x1f\x8b", b"PAR1", b"\xed\xa0\x80", "\u202e".encode(), b"a" * 5000, b"[" * 3000),
]


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """``content`` after one to three changes: bits flipped, pieces lost, doubled or replaced, the end cut off."""
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(content)))
        end = min(len(content), start + draw(st.sampled_from([0, 1, 1, 4, 16, 200])))
        match draw(st.sampled_from(["flip", "cut", "end", "double", "token", "token", "bytes"])):
            case "flip" if start < len(content):
                content = (
                    content[:start] + bytes([content[start] ^ 1 << draw(st.integers(0, 7))]) + content[start + 1 :]
                )
            case "cut":
                content = content[:start] + content[end:]
            case "end":
                content = content[:start]
            case "double":
                content = content[:end] + content[start:]
            case "token":
                content = content[:start] + draw(st.sampled_from(TOKENS)) + content[end:]
            case _:
                content = content[:start] + draw(st.binary(max_size=8)) + content[end:]
    return content


def values() -> st.SearchStrategy[Any]:
    """Whatever YAML or JSON can hold, small."""
    words = ["", "auto", "off", "price", "click", "mlp", "dwa", "joint", "a;b", "x" * 300, "\0", "ü", "../x"]
    numbers = st.integers(-3, 5) | st.sampled_from([10**12, 10**400]) | st.floats()
    plain = st.none() | st.booleans() | numbers | st.sampled_from(words) | st.text(max_size=5)
    known = st.sampled_from(["name", "tasks", "hidden", "args", "class", "price", "table", "targets"])
    keys = known | st.text(max_size=3)

    def nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        return st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3)

    return st.recursive(plain, nested, max_leaves=6)
