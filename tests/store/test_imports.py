"""In a job the modules of the project come from the snapshot, however they are installed.

Real interpreters, in real virtual environments, with real editable installs.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import textwrap
from dataclasses import dataclass
from pathlib import Path

import pytest

import mlxp_nb
from tests.support import write

PYPROJECT = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[project]
name = "thesis"
version = "1"
"""
PACKAGE = "WHO = 'frozen'\n"
# The text of a project by layout: how it is put together, and where its package is.
SRC = {"pyproject.toml": PYPROJECT, "src/thesis/__init__.py": PACKAGE}
FLAT = {"pyproject.toml": PYPROJECT, "thesis/__init__.py": PACKAGE}
MAPPED = {
    "pyproject.toml": PYPROJECT
    + """
[tool.setuptools]
packages = ["thesis"]
py-modules = ["alone"]
package-dir = {"thesis" = "code/package", "alone" = "code/alone"}
""",
    "code/package/__init__.py": PACKAGE,
    "code/alone.py": PACKAGE,
}
NAMESPACE = {
    "pyproject.toml": PYPROJECT
    + """
[tool.setuptools]
packages = ["space", "space.thesis"]
package-dir = {"space" = "lib/space", "space.thesis" = "lib/thesis"}
""",
    "lib/space/other.py": PACKAGE,
    "lib/thesis/__init__.py": PACKAGE,
}
LAYOUTS = {"src": SRC, "flat": FLAT, "mapped": MAPPED, "namespace": NAMESPACE}

ENTER = """
import json, os, sys
from pathlib import Path
from mlxp_nb.store import imports
live, tree, workdir = map(Path, {places!r})
moved = imports.redirect(live, tree, workdir)
imports.guard(live, tree)
imports.check(live, tree)
os.chdir(workdir)
"""


@dataclass(frozen=True)
class Job:
    """An interpreter of its own environment, and a project with its snapshot."""

    venv: Path
    live: Path
    tree: Path

    @property
    def packages(self) -> Path:
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        return self.venv / "lib" / version / "site-packages"

    def run(
        self, code: str, *, env: dict[str, str] | None = None, workdir: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run code as a job does: redirected, guarded, checked."""
        places = [str(place) for place in (self.live, self.tree, workdir or self.tree)]
        script = ENTER.format(places=places) + textwrap.dedent(code)
        return self.python(script, env=env)

    def python(
        self, script: str, *, env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "COV"))}
        return subprocess.run(
            [self.venv / "bin/python", "-W", "error", "-c", script],
            cwd=self.venv,
            env={**clean, "PYTHONDONTWRITEBYTECODE": "1", **(env or {})},
            capture_output=True,
            text=True,
            check=False,
        )

    def told(self, code: str, *, env: dict[str, str] | None = None) -> list[str]:
        """The words that code prints in a job."""
        ended = self.run(code, env=env)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout.split()


def make_venv(folder: Path) -> Path:
    """An environment that sees this one's packages, and installs of its own."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    job = Job(folder, folder, folder)
    # The tool is there as for a user: not below the project.
    seen = [sysconfig.get_path("purelib"), str(Path(mlxp_nb.__file__).parents[1])]
    (job.packages / "outer.pth").write_text("\n".join(seen))
    return folder


def make_project(live: Path, files: dict[str, str]) -> Path:
    """A project, and beside it its snapshot; then the live files are edited."""
    write(live, {**files, "main.py": "", "helper.py": PACKAGE})
    tree = live / ".work_dir" / live.name / "0123456789"
    shutil.copytree(live, tree, ignore=lambda *_: [".work_dir", "build"])
    for file in live.rglob("*.py"):
        if tree not in file.parents:
            file.write_text(file.read_text().replace("frozen", "live"))
    return tree


def install(venv: Path, live: Path, *options: str, editable: bool = True) -> None:
    """``pip install -e`` offline."""
    pip = [sys.executable, "-m", "pip", "--python", str(venv / "bin/python"), "install", "-q"]
    offline = ["--no-build-isolation", "--no-deps", "--no-index", "--disable-pip-version-check"]
    what = ["-e", str(live)] if editable else [str(live)]
    ended = subprocess.run(
        [*pip, *offline, *options, *what], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr


@pytest.fixture(scope="module", params=LAYOUTS)
def installed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Job:
    """A project installed by pip and setuptools, editable."""
    folder = tmp_path_factory.mktemp(request.param)
    venv, live = make_venv(folder / "venv"), folder / "my thesis"
    tree = make_project(live, LAYOUTS[request.param])
    install(venv, live)
    return Job(venv, live, tree)


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """A project that is not installed."""
    live = tmp_path / "my thesis"
    return Job(make_venv(tmp_path / "venv"), live, make_project(live, SRC))


def module_of(job: Job) -> str:
    return "space.thesis" if (job.tree / "lib").exists() else "thesis"


def test_an_editable_install_alone_brings_the_live_code(installed: Job) -> None:
    module = module_of(installed)
    told = installed.python(f"import importlib; print(importlib.import_module({module!r}).WHO)")
    assert told.stdout.split() == ["live"], told.stderr


def test_an_editable_install_is_read_from_the_snapshot(installed: Job) -> None:
    module = module_of(installed)
    code = f"import importlib; m = importlib.import_module({module!r}); print(m.WHO, m.__file__)"
    who, *file = installed.told(code)
    assert who == "frozen"
    assert Path(" ".join(file)).is_relative_to(installed.tree)


def test_what_was_redirected_is_told(installed: Job) -> None:
    told = installed.run("print(json.dumps(moved))")
    places = json.loads(told.stdout)
    assert places
    assert all(Path(place).is_relative_to(installed.live) for place in places)


@pytest.mark.parametrize(
    "start",
    [
        pytest.param(
            "import subprocess; subprocess.run([sys.executable, '-c', {code!r}], check=True)",
            id="subprocess",
        ),
        pytest.param(
            "import multiprocessing as mp; p = mp.get_context('spawn').Process("
            "target=exec, args=({code!r},)); p.start(); p.join(); sys.exit(p.exitcode)",
            id="spawned",
        ),
    ],
)
@pytest.mark.parametrize("installed", ["src", "flat"], indirect=True)
def test_a_process_that_the_run_starts_reads_the_snapshot_too(installed: Job, start: str) -> None:
    assert installed.told(start.format(code="import thesis; print(thesis.WHO)")) == ["frozen"]


@pytest.mark.parametrize("installed", ["mapped"], indirect=True)
def test_a_mapped_module_file_is_read_from_the_snapshot(installed: Job) -> None:
    assert installed.told("import alone; print(alone.WHO)") == ["frozen"]


@pytest.mark.parametrize("installed", ["namespace"], indirect=True)
def test_a_namespace_is_read_from_the_snapshot(installed: Job) -> None:
    assert installed.told("import space.other; print(space.other.WHO)") == ["frozen"]


def test_a_strict_editable_install_is_read_from_the_snapshot(tmp_path: Path) -> None:
    live = tmp_path / "live"
    tree = make_project(live, SRC)
    job = Job(make_venv(tmp_path / "venv"), live, tree)
    install(job.venv, live, "--config-settings", "editable_mode=strict")
    assert job.python("import thesis; print(thesis.WHO)").stdout.split() == ["live"]
    assert job.told("import thesis; print(thesis.WHO)") == ["frozen"]


def direct_url(job: Job, folder: Path, *, editable: bool = True) -> None:
    """What pip writes beside an install of a local project (PEP 610)."""
    info = job.packages / "thesis-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: thesis\nVersion: 1\n")
    (info / "direct_url.json").write_text(
        json.dumps({"url": folder.as_uri(), "dir_info": {"editable": editable}})
    )


def test_an_install_by_symbolic_link_is_read_from_the_snapshot(job: Job) -> None:
    """The way of ``flit install --symlink``."""
    direct_url(job, job.live)
    (job.packages / "thesis").symlink_to(job.live / "src/thesis")
    assert job.told("import thesis; print(thesis.WHO)") == ["frozen"]


EDITABLES = """
import sys
from importlib.util import spec_from_file_location

class RedirectingFinder:
    _redirections = {{}}

    @classmethod
    def map_module(cls, name, path):
        cls._redirections[name] = path

    @classmethod
    def find_spec(cls, fullname, path=None, target=None):
        place = cls._redirections.get(fullname)
        return spec_from_file_location(fullname, place) if place else None

RedirectingFinder.map_module("thesis", {path!r})
sys.meta_path.{add}
"""


@pytest.mark.parametrize("add", ["append(RedirectingFinder)", "insert(0, RedirectingFinder)"])
def test_a_hook_that_maps_names_is_read_from_the_snapshot(job: Job, add: str) -> None:
    """The way of ``editables``, which hatchling and PDM use."""
    path = str(job.live / "src/thesis/__init__.py")
    (job.packages / "_hook.py").write_text(EDITABLES.format(path=path, add=add))
    (job.packages / "hook.pth").write_text("import _hook\n")
    assert job.python("import thesis; print(thesis.WHO)").stdout.split() == ["live"]
    assert job.told("import thesis; print(thesis.WHO)") == ["frozen"]


HOOK = """
import sys
from importlib.util import spec_from_file_location

class Finder:
    def find_spec(self, fullname, path=None, target=None):
        if fullname == "thesis":
            return spec_from_file_location(fullname, {path!r})

sys.meta_path.insert(0, Finder())
"""


def test_a_hook_nobody_knows_is_refused_before_the_first_line(job: Job) -> None:
    path = str(job.live / "src/thesis/__init__.py")
    (job.packages / "_hook.py").write_text(HOOK.format(path=path))
    (job.packages / "hook.pth").write_text("import _hook\n")
    ended = job.run("print('ran')")
    assert ended.stdout == ""
    assert f"module 'thesis' would come from the live file {path}" in ended.stderr
    assert f"hint: pip install -e {job.live}\n" in ended.stderr


def test_a_live_module_is_refused_when_it_is_imported(job: Job) -> None:
    late = f"sys.path.insert(0, {str(job.live)!r}); import helper"
    ended = job.run(late)
    assert ended.returncode == 1
    assert "LiveModuleError: module 'helper' would come from the live file" in ended.stderr


def test_a_refusal_is_an_import_error_that_names_its_module(job: Job) -> None:
    code = f"""
    sys.path.insert(0, {str(job.live)!r})
    from mlxp_nb.errors import SnapshotError
    try:
        import helper
    except ImportError as error:
        print(error.name, Path(error.path).name, isinstance(error, SnapshotError))
    """
    assert job.told(code) == ["helper", "helper.py", "True"]


def test_a_live_module_behind_a_link_is_refused(job: Job) -> None:
    (job.live / "vendor").mkdir()
    (job.live / "vendor/extra.py").write_text("")
    (job.tree / "vendor").symlink_to(job.live / "vendor")
    ended = job.run("import vendor.extra")
    assert ended.returncode == 1
    assert "module 'vendor" in ended.stderr


def test_a_live_file_behind_a_link_is_refused(job: Job) -> None:
    (job.live / "extra.py").write_text("")
    (job.tree / "linked.py").symlink_to(job.live / "extra.py")
    ended = job.run("import linked")
    assert ended.returncode == 1
    assert "module 'linked' would come from the live file" in ended.stderr


def test_an_ignored_module_is_named_with_the_line_to_add(job: Job) -> None:
    (job.live / "ignored.py").write_text("")
    ended = job.run("import ignored")
    assert ended.returncode == 1
    assert "hint: add to configs/mlxp_nb.yaml:  include: [ignored.py]\n" in ended.stderr


def test_the_line_to_add_is_relative_to_the_project(job: Job) -> None:
    write(job.live, {"deep/project/ignored.py": ""})
    workdir = job.tree / "deep/project"
    workdir.mkdir(parents=True)
    ended = job.run("import ignored", workdir=workdir)
    assert "include: [ignored.py]\n" in ended.stderr


def test_an_optional_module_that_is_nowhere_is_just_missing(job: Job) -> None:
    code = """
    try:
        import nowhere
    except ModuleNotFoundError as error:
        print(type(error).__name__)
    """
    assert job.told(code) == ["ModuleNotFoundError"]


def test_a_folder_of_results_is_no_module(job: Job) -> None:
    """``wandb`` leaves a folder of its own name in the project."""
    (job.live / "wandb").mkdir()
    code = """
    try:
        import wandb
    except ModuleNotFoundError as error:
        print(type(error).__name__)
    """
    assert job.told(code) == ["ModuleNotFoundError"]


def test_a_live_module_imported_before_is_refused(job: Job) -> None:
    (job.packages / "early.pth").write_text(
        f"import sys; sys.path.append({str(job.live)!r}); import helper\n"
    )
    ended = job.run("print('ran')")
    assert ended.stdout == ""
    assert "module 'helper' would come from the live file" in ended.stderr


def test_the_working_directory_goes_first(job: Job) -> None:
    folder = job.tree / "scripts"
    folder.mkdir()
    ended = job.run("print(sys.path[0])", workdir=folder)
    assert ended.stdout.strip() == str(folder)


def test_python_path_is_redirected(job: Job) -> None:
    env = {"PYTHONPATH": os.pathsep.join([str(job.live / "src"), "/elsewhere"])}
    code = "import thesis; print(thesis.WHO); print(os.environ['PYTHONPATH'])"
    ended = job.run(code, env=env)
    who, path = ended.stdout.splitlines()
    assert who == "frozen"
    assert path.split(os.pathsep) == [str(job.tree / "src"), "/elsewhere"]


def test_an_environment_inside_the_project_stays(tmp_path: Path) -> None:
    live = tmp_path / "live"
    tree = make_project(live, SRC)
    job = Job(make_venv(live / ".venv"), live, tree)
    (job.packages / "library.py").write_text("")
    code = "import library, helper; print(library.__file__); print(helper.WHO)"
    assert job.told(code) == [str(job.packages / "library.py"), "frozen"]


def test_a_project_reached_by_a_symbolic_link_is_the_same(tmp_path: Path) -> None:
    live = tmp_path / "live"
    tree = make_project(live, SRC)
    (tmp_path / "short").symlink_to(live)
    job = Job(make_venv(tmp_path / "venv"), live, tree)
    env = {"PYTHONPATH": str(tmp_path / "short/src")}
    assert job.told("import thesis; print(thesis.WHO)", env=env) == ["frozen"]


def test_the_snapshot_may_lie_outside_the_project(tmp_path: Path) -> None:
    live = tmp_path / "live"
    tree = make_project(live, SRC).rename(tmp_path / "tree")
    job = Job(make_venv(tmp_path / "venv"), live, tree)
    env = {"PYTHONPATH": str(live / "src")}
    assert job.told("import thesis, helper; print(thesis.WHO, helper.WHO)", env=env) == [
        "frozen",
        "frozen",
    ]


def test_another_snapshot_of_the_project_is_not_this_one(job: Job) -> None:
    other = job.tree.with_name("abcdef")
    write(other, {"older.py": ""})
    ended = job.run(f"sys.path.append({str(other)!r}); import older")
    assert "module 'older' would come from" in ended.stderr


def test_the_tool_may_come_from_the_project_it_freezes(tmp_path: Path) -> None:
    live = tmp_path / "live"
    tree = make_project(live, FLAT)
    for place in (live, tree):
        shutil.copytree(Path(mlxp_nb.__file__).parent, place / "mlxp_nb")
    job = Job(make_venv(tmp_path / "venv"), live, tree)
    (job.packages / "outer.pth").write_text(str(live))
    code = "import mlxp_nb.store.tree, helper; print(mlxp_nb.store.tree.__file__, helper.WHO)"
    assert job.told(code) == [str(live / "mlxp_nb/store/tree.py"), "frozen"]


def test_an_installed_copy_that_differs_is_refused(tmp_path: Path) -> None:
    live = tmp_path / "live"
    tree = make_project(live, SRC)
    job = Job(make_venv(tmp_path / "venv"), live, tree)
    install(job.venv, live, editable=False)
    ended = job.run("print('ran')")
    assert ended.stdout == ""
    assert "not from the snapshot" in ended.stderr
    assert f"hint: pip install -e {live}\n" in ended.stderr


def test_an_installed_copy_that_is_the_same_runs(job: Job) -> None:
    shutil.copytree(job.tree / "src/thesis", job.packages / "thesis")
    assert job.told("import thesis; print(thesis.WHO)") == ["frozen"]


def test_another_clone_that_is_installed_is_refused(job: Job, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    make_project(clone, SRC)
    (job.packages / "clone.pth").write_text(str(clone / "src"))
    ended = job.run("print('ran')")
    assert ended.stdout == ""
    assert f"module 'thesis' would come from {clone}/src/thesis/__init__.py" in ended.stderr


def test_names_of_the_standard_library_are_let_be(job: Job) -> None:
    write(job.tree, {"json.py": "raise SystemExit", "test/__init__.py": ""})
    assert job.told("print(json.dumps(1))") == ["1"]


def test_a_second_guard_takes_the_place_of_the_first(job: Job) -> None:
    code = """
    imports.guard(live, tree)
    print(sum(type(finder).__name__ == "_Guard" for finder in sys.meta_path))
    """
    assert job.told(code) == ["1"]


def test_damaged_metadata_of_an_install_is_passed_over(job: Job) -> None:
    direct_url(job, job.live)
    (job.packages / "thesis-1.dist-info/direct_url.json").write_text("{")
    assert job.told("import helper; print(helper.WHO)") == ["frozen"]
