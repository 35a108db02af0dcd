from __future__ import annotations

from pathlib import Path

import pytest

from starrygazer_ros.plain_yaml import LARGEST, read_yaml

LAUGHS = ", ".join(["&a0 [ha]", *(f"&a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9))])
MERGED = ", ".join(
    ["&a0 {x: 1}", *(f"&a{n} {{<<: [{', '.join([f'*a{n - 1} '] * 9)}]}}" for n in range(1, 9))]
)


def read(folder: Path, content: bytes) -> object:
    file = folder / "some.yaml"
    file.write_bytes(content)
    return read_yaml(file)


def test_reads_yaml(tmp_path: Path) -> None:
    assert read(tmp_path, "name: é\nsizes: [1, 2.5]\n".encode()) == {"name": "é", "sizes": [1, 2.5]}


@pytest.mark.parametrize("bomb", [LAUGHS, MERGED], ids=["lists", "merged mappings"])
def test_a_bomb_of_aliases_is_not_lit(tmp_path: Path, bomb: str) -> None:
    with pytest.raises(ValueError, match="line 1 has an alias: repeat the value"):
        read(tmp_path, f"[{bomb}]".encode())


@pytest.mark.parametrize(
    "text",
    [
        "2001-99-99",
        "!!bool perhaps",
        "!!int ''",
        "!!timestamp x",
        "1" * 5000,
        "&self [*self]",
        "!!python/object/apply:os.system [ls]",
        "%YAML 9.9\n---\n1",
    ],
)
def test_what_pyyaml_leaves_to_python_has_one_reason(tmp_path: Path, text: str) -> None:
    with pytest.raises(ValueError, match=r"^[A-Za-z]+: .{5,}"):
        read(tmp_path, text.encode())


@pytest.mark.parametrize("text", ["[" * 5000, "[" * 5000 + "]" * 5000, "{a: " * 5000])
def test_nesting_without_end_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ValueError, match="more than 50 mappings and lists are in each other"):
        read(tmp_path, text.encode())


def test_what_is_too_large_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="more than 1,048,576 bytes"):
        read(tmp_path, b" " * (LARGEST + 1))


def test_other_encodings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="UnicodeDecodeError"):
        read(tmp_path, "a: 1".encode("utf-16"))
