"""What is recorded of the environment of a sweep."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import mlxp_nb
from mlxp_nb import environment


def make_nvidia_smi(folder: Path, script: str) -> None:
    """An ``nvidia-smi`` that answers as told."""
    program = folder / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    program.chmod(0o755)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that goes first on the PATH."""
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


def test_names_the_interpreter_and_the_tool() -> None:
    told = environment.describe()
    assert told["python"] == platform.python_version()
    assert told["executable"] == sys.executable
    assert told["mlxp_nb"] == mlxp_nb.__version__
    assert yaml.safe_load(yaml.safe_dump(told)) == told


def test_packages_are_sorted_and_each_is_there_once() -> None:
    told = environment.packages()
    names = [re.sub("[-_.]+", "-", line.partition("==")[0]).lower() for line in told]
    assert names == sorted(set(names))
    assert f"pytest=={importlib.metadata.version('pytest')}" in told


def test_the_hash_is_that_of_the_list() -> None:
    lines = ["a==1", "b==2"]
    told = environment.describe(lines)["packages_sha256"]
    assert told == hashlib.sha256(b"a==1\nb==2\n").hexdigest()
    assert told != environment.describe(["a==1", "b==3"])["packages_sha256"]


def make_distribution(folder: Path, name: str, version: str, metadata: str | None = None) -> None:
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    (info / "METADATA").write_text(text if metadata is None else metadata)


def test_the_first_of_two_installations_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_distribution(tmp_path / "user", "My.Package", "2")
    make_distribution(tmp_path / "system", "my_package", "1")
    monkeypatch.setattr(sys, "path", [str(tmp_path / "user"), str(tmp_path / "system")])
    assert environment.packages() == ["My.Package==2"]


def test_a_half_removed_distribution_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_distribution(tmp_path, "left-behind", "1", metadata="")
    make_distribution(tmp_path, "good", "1")
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    assert environment.packages() == ["good==1"]


def test_graphics_cards_are_named(programs: Path) -> None:
    make_nvidia_smi(programs, "echo 'NVIDIA A100-SXM4-80GB'; echo 'NVIDIA A100-SXM4-80GB'")
    assert environment.describe([])["gpus"] == ["NVIDIA A100-SXM4-80GB"] * 2


@pytest.mark.parametrize(
    "script",
    [
        pytest.param("echo 'NVIDIA-SMI has failed'; exit 9", id="no-driver"),
        pytest.param("exec sleep 60", id="no-answer"),
        pytest.param("", id="no-card"),
    ],
)
def test_a_driver_that_does_not_tell_gives_none(programs: Path, script: str) -> None:
    make_nvidia_smi(programs, script)
    assert environment.describe([])["gpus"] == []


def test_no_program_gives_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert environment.describe([])["gpus"] == []


def test_asking_loads_nothing_heavy() -> None:
    code = (
        "import sys; from mlxp_nb import environment; environment.describe(); print(*sys.modules)"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"numpy", "torch", "pandas", "git", "IPython"} & set(loaded)
