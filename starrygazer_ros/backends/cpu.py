"""What the CPU can do that decides between precisions."""

from __future__ import annotations

from pathlib import Path

# As Linux names them: dot products of bytes in AVX-512, in AVX2, and of matrices.
_INT8_DOT_PRODUCTS = {"avx512_vnni", "avx_vnni", "amx_int8"}


def multiplies_int8(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether this x86 CPU has dot products of bytes, with which int8 is faster than fp32.

    False where that is not known: on another system, and on Arm, where it was not measured.

    Args:
        cpuinfo: Linux's description of the CPUs.
    """
    try:
        lines = cpuinfo.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return False
    flags = next((line for line in lines if line.startswith("flags")), "")
    return not _INT8_DOT_PRODUCTS.isdisjoint(flags.split())
