"""What is run, read without running it."""

from __future__ import annotations

import pytest

from mlxp_nb.core.target import config_path_of, parse_target
from mlxp_nb.errors import TargetError


@pytest.mark.parametrize(
    ("text", "is_script", "name"),
    [("main.py", True, "main"), ("a/b.py", True, "b"), ("pkg.mod:train", False, "train")],
)
def test_a_script_or_a_function_is_a_target(text: str, is_script: bool, name: str) -> None:
    target = parse_target(text)
    assert (target.is_script, target.name) == (is_script, name)


@pytest.mark.parametrize("text", ["main", "pkg.mod", "pkg:", ":f", "a b:c", ""])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(TargetError, match="not something that can be run"):
        parse_target(text)


@pytest.mark.parametrize(
    ("decorator", "path"),
    [
        ("@mlxp.launch(config_path='cfg')", "cfg"),
        ("@mlxp_nb.launch('cfg')", "cfg"),
        ("@launch()", "configs"),
        ("@other\n@launch(seeding_function=f)", "configs"),
    ],
)
def test_the_config_path_is_read_from_the_source(decorator: str, path: str) -> None:
    assert config_path_of(f"{decorator}\ndef main(ctx):\n    pass\n", "main.py") == path


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        pytest.param("def main(ctx): pass", "no launched function", id="no-decorator"),
        pytest.param("@launch(config_path=P)\ndef main(ctx): pass", "is computed", id="computed"),
        pytest.param("@launch\ndef main(ctx): pass", "without parentheses", id="bare"),
        pytest.param("def main(:\n", "is not Python", id="syntax"),
    ],
)
def test_a_script_that_cannot_be_launched_is_said(source: str, problem: str) -> None:
    with pytest.raises(TargetError, match=problem) as caught:
        config_path_of(source, "main.py")
    assert caught.value.hint
