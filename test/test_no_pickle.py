"""Nothing of this repository reads data that can run code."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

FOLDERS = (
    *("starrygazer_ros", "training/starrygazer_training"),
    *("benchmarks", "robustness", "demo", "launch"),
)
MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
# Calls that read pickles unless an argument says no.
GUARDED = {"numpy.load": ("allow_pickle", False), "torch.load": ("weights_only", True)}
UNSAFE = {"yaml.load", "yaml.unsafe_load", "yaml.full_load", "eval", "exec"}
SHORT = {"np": "numpy"}


def findings(source: str) -> list[str]:
    """What in a module may read a pickle or run data, with its line."""
    found = []
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        found += [f"{node.lineno}: {name}" for name in names if name.split(".")[0] in MODULES]
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            head, _, rest = called.partition(".")
            called = f"{SHORT.get(head, head)}.{rest}" if rest else head
            given = {k.arg: getattr(k.value, "value", None) for k in node.keywords}
            argument, safe = GUARDED.get(called, ("", None))
            if called in UNSAFE or (argument and given.get(argument) is not safe):
                found.append(f"{node.lineno}: {ast.unparse(node)}")
    return found


def modules() -> list[Path]:
    """Every module that a user may run."""
    root = Path(__file__).resolve().parents[1]
    return [p for folder in FOLDERS for p in sorted((root / folder).rglob("*.py"))]


@pytest.mark.parametrize("path", modules(), ids=lambda path: "/".join(path.parts[-3:]))
def test_no_module_reads_pickles_or_runs_data(path: Path) -> None:
    assert not findings(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from joblib import load",
        "np.load(path)",
        "numpy.load(path, allow_pickle=True)",
        "torch.load(path)",
        "yaml.load(text, Loader=yaml.Loader)",
        "eval(text)",
    ],
)
def test_the_check_finds_what_it_looks_for(source: str) -> None:
    assert findings(source)
