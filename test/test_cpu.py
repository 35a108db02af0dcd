"""Whether int8 is worth it on this CPU."""

from __future__ import annotations

from pathlib import Path

import pytest

from starrygazer_ros.backends.cpu import multiplies_int8


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("processor\t: 0\nflags\t\t: fpu avx2 avx512f avx512_vnni\n", True),
        ("flags\t\t: fpu avx2 avx_vnni\n", True),
        ("flags\t\t: fpu sse4_2 avx2 avx512f\n", False),
        ("model name\t: avx512_vnni\nflags\t\t: fpu\n", False),
        ("Features\t: fp asimd asimddp\n", False),
        ("", False),
    ],
)
def test_int8_is_taken_for_fast_only_with_dot_products_of_bytes(
    text: str, expected: bool, tmp_path: Path
) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(text)
    assert multiplies_int8(cpuinfo) is expected


def test_an_unknown_cpu_gets_fp32(tmp_path: Path) -> None:
    assert not multiplies_int8(tmp_path / "missing")
