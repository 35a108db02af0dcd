"""YAML files with other values, structures and encodings than they should have."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import yaml
from hypothesis import strategies as st

from robustness.damage import damaged

_BOMB = ["&a0 [ha, ha, ha, ha, ha, ha, ha, ha, ha]"] + [
    f"&a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)
]
_MERGED = ["&m0 {x: 1, y: 2}"] + [
    f"&m{n} {{<<: [{', '.join([f'*m{n - 1} '] * 9)}]}}" for n in range(1, 9)
]
_SNIPPETS = (
    f"[{', '.join(_BOMB)}]",
    f"[{', '.join(_MERGED)}]",
    "&self [*self]",
    "&self {key: *self }",
    "*nobody",
    "!!python/object/apply:os.mkdir [unpickled]",
    "!!python/name:os.system",
    "!!binary '===='",
    "!!int '12x'",
    "!!float x",
    "!!timestamp x",
    "!!set {a, b}",
    "!!omap [a: 1]",
    "!mine x",
    "2001-99-99",
    "2001-12-14t21:59:43.10-99:99",
    "1" * 5000,
    "-0x" + "f" * 5000,
    "1:" * 2000 + "1",
    "0b",
    "0o9",
    "[" * 3000,
    "{a: " * 3000,
    "[" * 3000 + "]" * 3000,
    "'",
    '"\\ud800"',
    '"\\0"',
    "{[1]: 2}",
    "{{a: 1}: 2}",
    "? [x]",
    "'" + "long " * 60_000 + "'",
    "~",
    ".inf",
    "-.inf",
    ".nan",
    "1e400",
)
_TEXT_AROUND = (
    "",
    "",
    "",
    "%YAML 9.9\n---\n",
    "--- a\n---\n",
    "\t",
    "\0",
    "- x\n",
    "\ufeff",
    "---\n",
)
_ENCODINGS = (*("utf-8",) * 8, "utf-16", "utf-32", "utf-8-sig", "cp037")
_LEAVES: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 300),
    st.sampled_from([10**400, -(10**400), 2**31, 2**63, 10**12, 10**6, 65_536, 4096, 0.5, 1e300]),
    st.floats(),
    st.sampled_from(
        ["", ".", "..", "../outside", "/etc/passwd", "a/b", "\0", "x" * 300, "~", "é\n"]
    ),
    st.sampled_from(
        ["mde.onnx", "golden.npz", "manifest.yaml", "missing.onnx", "0" * 64, "12", "1e3"]
    ),
    st.text(max_size=8),
    st.just([]),
    st.just({}),
)
_VALUES = st.one_of(
    _LEAVES,
    st.lists(_LEAVES, max_size=3),
    st.dictionaries(st.text(max_size=4), _LEAVES, max_size=3),
)


@st.composite
def yaml_files(draw: st.DrawFn, good: Any, keys: Sequence[str] = ()) -> bytes:
    """A tree as YAML: entries removed, of other types and sizes; tags, bombs, other encodings.

    Args:
        draw: of Hypothesis.
        good: the tree.
        keys: that a reader may look for although the tree has none of them.
    """
    tree = copy.deepcopy(good)
    snippets = []
    for _ in range(draw(st.integers(0, 3))):
        parent, key = draw(st.sampled_from(list(_places(tree)) or [({}, "")]))
        change = draw(
            st.sampled_from(["remove", "value", "value", "value", "add", "snippet", "key"])
        )
        if change == "remove":
            parent.pop(key, None)
        elif change == "value":
            parent[key] = draw(_VALUES)
        elif change == "add":
            parent[draw(st.one_of(st.sampled_from([*keys, "x"]), st.text(max_size=8)))] = draw(
                _VALUES
            )
        elif change == "key":
            parent[draw(st.sampled_from([0, None, True, 1.5, "", "..", "../x", "/x", "."]))] = (
                parent.pop(key, None)
            )
        else:
            snippets.append(draw(st.sampled_from(_SNIPPETS)))
            parent[key] = f"SNIPPET{len(snippets) - 1}"
    text = yaml.safe_dump(tree, sort_keys=False)
    for index, snippet in enumerate(snippets):
        text = text.replace(f"SNIPPET{index}", snippet)
    text = draw(st.sampled_from(_TEXT_AROUND)) + text + draw(st.sampled_from(_TEXT_AROUND))
    content = text.encode(draw(st.sampled_from(_ENCODINGS)), "replace")
    return draw(damaged([content])) if draw(st.integers(0, 3)) == 0 else content


def _places(tree: Any) -> Any:
    """Each entry of each mapping, as mapping and key."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield tree, key
            yield from _places(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from _places(value)
