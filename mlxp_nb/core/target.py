"""What is run: a script with ``@launch``, or ``package.module:function``; read, never executed."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

from mlxp_nb.errors import TargetError, closest

__all__ = ["CONFIG_PATH", "Target", "check_function", "config_path_of", "parse_target"]

CONFIG_PATH = "configs"
_FUNCTION = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")


@dataclass(frozen=True)
class Target:
    """Where the user's function is.

    Attributes
    ----------
    text : str
        As given: ``main.py`` or ``package.module:function``.
    """

    text: str

    @property
    def is_script(self) -> bool:
        """Whether it is a file to run, not a function to import."""
        return self.text.endswith(".py")

    @property
    def name(self) -> str:
        """What a sweep of it is called unless the user names it."""
        stem = self.text.rpartition("/")[2]
        return stem[:-3] if self.is_script else stem.rpartition(":")[2]

    def source_paths(self) -> tuple[str, ...]:
        """Files that could hold it, relative to the project, best first."""
        if self.is_script:
            return (self.text,)
        path = self.text.partition(":")[0].replace(".", "/")
        return tuple(
            f"{root}{path}{end}" for root in ("", "src/") for end in (".py", "/__init__.py")
        )


def parse_target(text: str) -> Target:
    """A target from what the user typed.

    Raises
    ------
    TargetError
        It is neither a script nor ``package.module:function``.
    """
    if text.endswith(".py") or (_FUNCTION.fullmatch(text) and ".py:" not in text):
        return Target(text)
    if ".py:" in text:
        script, _, function = text.partition(".py:")
        raise TargetError(
            f"{text!r} names a script and a function at once",
            f"write {script}.py, or {script.replace('/', '.')}:{function}",
        )
    raise TargetError(
        f"{text!r} is not something that can be run",
        "name a script (main.py) or a function (package.module:train)",
    )


def config_path_of(source: str, filename: str) -> str:
    """The ``config_path`` that a script gives to ``@launch``, found without running it.

    Parameters
    ----------
    source : str
        The text of the script.
    filename : str
        For messages.

    Raises
    ------
    TargetError
        The script is not Python, has no launched function, or computes its ``config_path``.
    """
    try:
        module = ast.parse(source, filename)
    except SyntaxError as error:
        raise TargetError(
            f"{filename} is not Python: {error.msg}",
            "mend that line first",
            text=(error.text or "").rstrip("\n") or None,
            at=(error.offset or 1) - 1,
            line=error.lineno,
        ) from error
    for node in ast.walk(module):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            for decorator in node.decorator_list:
                if _is_launch(decorator):
                    return _config_path(decorator, filename)
    raise TargetError(
        f"{filename} has no launched function",
        'put @mlxp_nb.launch(config_path="configs") above its main function',
    )


def check_function(source: str, filename: str, name: str) -> None:
    """Raise when a module does not define or import a function of that name.

    Raises
    ------
    TargetError
        With the nearest name that it has.
    """
    try:
        module = ast.parse(source, filename)
    except SyntaxError:
        return  # the run says it, with its traceback
    found: set[str] = set()
    for node in ast.walk(module):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            found.update(alias.asname or alias.name for alias in node.names)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
    first = name.partition(".")[0]
    if first not in found and "*" not in found:
        near = closest(first, found)
        raise TargetError(
            f"{filename} has no function {first!r}",
            f"did you mean {near!r}?" if near else "name a function that it defines",
        )


def _is_launch(decorator: ast.expr) -> bool:
    """Whether a decorator is ``launch(…)``, ``mlxp.launch(…)`` or ``mlxp_nb.launch(…)``."""
    function = decorator.func if isinstance(decorator, ast.Call) else decorator
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return name == "launch"


def _config_path(decorator: ast.expr, filename: str) -> str:
    """The value of its first argument."""
    if not isinstance(decorator, ast.Call):
        raise TargetError(
            f"{filename}: @launch is used without parentheses",
            'write @launch(config_path="configs")',
        )
    given = [k.value for k in decorator.keywords if k.arg == "config_path"] or decorator.args[:1]
    if not given:
        return CONFIG_PATH
    value = given[0]
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        return value.value
    raise TargetError(
        f"{filename}: config_path is computed, and a notebook reads it without running the script",
        'write it as a plain string: @launch(config_path="configs")',
    )
