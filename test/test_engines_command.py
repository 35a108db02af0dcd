from __future__ import annotations

from types import SimpleNamespace

import pytest

from starrygazer_ros.backends.cache_folder import cache_folder
from starrygazer_ros.backends.tensorrt.plan_cache import NoPlanCache, PlanCache
from starrygazer_ros.cli import main
from starrygazer_ros.completion import DepthCompleter


@pytest.fixture
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    made = PlanCache(cache_folder("tensorrt"))
    about = {
        "model": "default 0.3.1",
        "graph": "refinement",
        "precision": "fp16",
        "builder": "tensorrt 10.3.0",
        "gpu": {"name": "Orin"},
    }
    made.get_or_build("0123456789abcdef", about, lambda: bytes(3 << 20))
    return made


def test_lists_the_plans_with_what_they_are_for(cache, capsys):
    assert main(["engines", "list"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    for part in ("default 0.3.1 refinement fp16, tensorrt 10.3.0, Orin, 3 MiB", "0123456789ab"):
        assert part in line


def test_removes_them(cache, capsys):
    assert main(["engines", "clean"]) == 0
    assert capsys.readouterr().out == "removed 1 plans\n"
    assert main(["engines", "list"]) == 0
    assert "no plans" in capsys.readouterr().out


def test_without_tensorrt_there_is_nothing_to_build_and_it_says_why(cache, capsys):
    try:
        import tensorrt  # noqa: F401
    except ImportError:
        assert main(["engines", "build"]) == 2
        assert "tensorrt cannot be imported" in capsys.readouterr().err
    else:
        pytest.skip("TensorRT is installed")


@pytest.mark.parametrize(("error", "code"), [(None, 0), (OSError(28, "No space left"), 1)])
def test_plans_that_cannot_be_kept_were_built_in_vain(tmp_path, monkeypatch, capsys, error, code):
    built = SimpleNamespace(
        backend_warnings=(NoPlanCache(tmp_path, error).problem,) if error else ("fp16 is wrong",),
        backend_description="tensorrt 10.3.0",
        self_check=lambda: 0.0,
    )
    monkeypatch.setattr(DepthCompleter, "from_bundle", lambda *_, **__: built)
    assert main(["engines", "build"]) == code
    assert capsys.readouterr().err.startswith("starrygazer: warning: ")


@pytest.mark.parametrize("size", ["0", "-5", "wide"])
def test_a_size_that_is_none_is_refused(cache, capsys, size):
    with pytest.raises(SystemExit) as caught:
        main(["engines", "build", f"--max-height={size}"])
    assert caught.value.code == 2
    assert "is not a whole number of at least 1" in capsys.readouterr().err


def test_a_cache_that_others_may_change_is_refused(cache, capsys):
    cache.folder.chmod(0o777)
    assert main(["engines", "list"]) == 2
    assert "chmod go-w" in capsys.readouterr().err


@pytest.mark.parametrize(
    "sidecar", ['{"gpu": 3, "model": "\\ud800"}', '{"gpu": null}', "[" * 50_000]
)
def test_a_plan_with_a_damaged_sidecar_is_listed_in_one_line(cache, capsys, sidecar):
    (cache.folder / "0123456789abcdef.json").write_text(sidecar)
    assert main(["engines", "list"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert "?, 3 MiB" in line
    assert line.encode()
