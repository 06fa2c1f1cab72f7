"""The house keeps its shape: arrows point down, no room is a hall, no function is a novel."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
LONGEST_FILE, LONGEST_FUNCTION = 350, 50


def python_files(*folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from sorted((ROOT / folder).rglob("*.py"))


def test_arrows_point_down() -> None:
    """The layers stand in pyproject.toml."""
    done = subprocess.run([Path(sys.executable).parent / "lint-imports", "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]


def test_every_module_has_a_layer() -> None:
    """A room that the layers do not name would be free to import anything."""
    layers = (ROOT / "pyproject.toml").read_text("utf-8")
    names = {path.stem if path.is_file() else path.name for path in (ROOT / "publisher").iterdir()
             if path.suffix == ".py" or (path / "__init__.py").exists()} - {"__init__", "__main__"}
    assert sorted(name for name in names if f"publisher.{name}" not in layers) == []


def imported(path: Path) -> set[str]:
    """Names of our modules that `path` imports when it is loaded (an import inside a function is a decision of its own)."""
    found: set[str] = set()
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in found if name.partition(".")[0] in ("publisher", "subscribers")}


def test_no_module_imports_itself_in_a_circle() -> None:
    modules = {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
               for path in python_files("publisher", "subscribers")}
    arrows = {name: imported(path) & set(modules) - {name} for name, path in modules.items()}
    while True:
        # What imports nothing that is left is in no circle.
        done = {name for name, others in arrows.items() if not others & set(arrows)}
        if not done:
            break
        arrows = {name: others for name, others in arrows.items() if name not in done}
    assert arrows == {}


def test_no_file_is_two_things() -> None:
    long = {str(path.relative_to(ROOT)): lines for path in python_files("publisher", "subscribers", "tests", "benchmarks", "tools")
            if (lines := len(path.read_text("utf-8").splitlines())) > LONGEST_FILE}
    assert long == {}


def test_no_function_is_over_fifty_lines() -> None:
    long = {}
    for path in python_files("publisher", "subscribers"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (node.end_lineno or 0) - node.lineno + 1 > LONGEST_FUNCTION:
                long[f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"] = (node.end_lineno or 0) - node.lineno + 1
    assert long == {}


def test_every_module_opens_with_a_sentence() -> None:
    bare = [str(path.relative_to(ROOT)) for path in python_files("publisher", "subscribers", "tests")
            if not ast.get_docstring(ast.parse(path.read_text("utf-8")))]
    assert bare == []


def test_the_migrations_folder_does_not_shadow_the_library() -> None:
    assert not (ROOT / "alembic" / "__init__.py").exists()


@pytest.mark.parametrize("name", ["utils", "helpers", "common", "manager", "services", "core"])
def test_no_room_is_called_anything_and_nothing(name: str) -> None:
    assert [path for folder in ("publisher", "subscribers") for path in (ROOT / folder).rglob(f"{name}*") if "__pycache__" not in path.parts] == []


def test_only_the_configuration_reads_the_environment() -> None:
    """Everything else is handed what it needs."""
    readers = {path.name for path in python_files("publisher", "subscribers") if re.search(r"os\.environ|getenv", path.read_text("utf-8"))}
    assert readers <= {"settings_environment.py", "settings_file.py", "settings_secrets.py"}
