"""The direction of imports that the design states, and the sizes that keep a file at one idea."""

import ast
import re
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "spro"

MAY_IMPORT = {
    "errors": set(),
    "config": set(),
    "folders": {"errors"},
    "signals": set(),
    "settings": {"config", "errors", "folders"},
    "checks": {"errors"},
    "window": {"errors"},
    "named": {"errors", "settings", "config", "credit", "loss"},
    "credit": {"errors", "checks"},
    "loss": {"errors", "checks", "credit.reduce"},
    "verify": {"errors"},
    "rollout": {"errors", "config"},
    "tasks": {"errors", "config", "settings"},
    "models": {"errors", "config", "loss"},
    "statistics": {"errors"},
    "sinks": {"errors", "config"},
    "evaluate": {"errors", "config", "settings", "statistics", "tasks", "verify", "rollout", "models", "train"}
    | {"folders"},
    "lab": {"errors", "config", "settings", "tasks", "rollout", "train", "models", "verify", "credit", "report"}
    | {"statistics", "evaluate", "named", "folders", "signals"},
    "train": {"errors", "config", "settings", "credit", "loss", "verify", "rollout", "tasks", "models", "report"}
    | {"window", "named", "sinks", "folders", "signals"},
    "plugins": {"errors", "settings", "config", "credit", "loss", "verify", "tasks", "window", "named"},
    "report": {"errors", "folders", "signals"},
    "describe": {"errors", "settings", "credit", "models", "verify", "plugins.hosts"},
    "cli": {"errors", "train", "report", "describe", "evaluate", "lab", "plugins.launch"},
    "__init__": set(),
}
"""Room -> the rooms that it may import. ``train.command`` alone writes the report."""
FACADES_ONLY = {"credit", "loss", "verify", "rollout", "tasks", "models", "report", "statistics", "sinks"}
"""Rooms of which others see what their ``__init__`` names, with the exceptions below."""
INSIDES_ALLOWED = {("lab", "spro.tasks.chain"), ("describe", "spro.models.loading")}


def room_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imports_of(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "spro":
            found.add(node.module)
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.split(".")[0] == "spro"}
    return found - {"spro"}


FILES = sorted(SOURCE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_go_in_one_direction(path: Path) -> None:
    room = room_of(path)
    assert room in MAY_IMPORT, f"say in this test what the new room {room!r} may import"
    for module in imports_of(path):
        target = module.removeprefix("spro.")
        if target.split(".")[0] == room:
            continue
        allowed = any(target == name or target.startswith(f"{name}.") for name in MAY_IMPORT[room])
        assert allowed, f"{path.relative_to(SOURCE)} imports {module}"
        is_inside = target.count(".") >= 1 and target.split(".")[0] in FACADES_ONLY
        assert not is_inside or (room, module) in INSIDES_ALLOWED, f"{path.relative_to(SOURCE)} reaches into {module}"


def test_the_oracle_needs_no_model_and_no_trainer() -> None:
    for path in (SOURCE / "lab" / "oracle").glob("*.py"):
        rooms = {module.split(".")[1] for module in imports_of(path)}
        assert rooms <= {"errors", "config", "settings", "folders", "signals", "credit", "report", "lab"}, path


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_files_and_functions_hold_one_idea(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= 400
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno is not None
            assert node.end_lineno - node.lineno < 60, f"{node.name} in {path.name}"


def test_the_loop_knows_no_method_by_name() -> None:
    from spro.credit import METHODS

    for path in (SOURCE / "train").glob("*.py"):
        constants = {n.value for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Constant)}
        names = {n.id for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Name)}
        assert not constants & set(METHODS), path
        assert not names & {method.__name__ for method in METHODS.values()}, path


MAY_LOOP = {"batch.py", "method.py", "__init__.py"}
"""Over the fields of a batch, the terms of a method and the files of a folder."""


def test_credit_and_loss_have_no_loop_over_batch_or_time_no_branch_and_no_sync() -> None:
    loops = (ast.For, ast.While, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
    for path in [*(SOURCE / "credit").rglob("*.py"), *(SOURCE / "loss").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            place = f"{path}:{getattr(node, 'lineno', 0)}"
            is_sync = isinstance(node, ast.Attribute) and node.attr in {"item", "tolist", "cpu", "numpy", "nonzero"}
            assert not is_sync, place
            if path.name in MAY_LOOP:
                continue
            assert not isinstance(node, loops), f"a Python loop in {place}"
            if isinstance(node, ast.If | ast.IfExp):
                assert ast.unparse(node.test) == "gamma == 1", f"a branch in {place}"


METHOD_FILES = [path for path in FILES if path.parent.name == "methods" and path.stem not in {"__init__", "method"}]


@pytest.mark.parametrize("path", METHOD_FILES, ids=lambda path: path.stem)
def test_a_method_is_one_source_file_one_test_file_and_one_page(path: Path) -> None:
    from spro.credit import METHODS

    root = SOURCE.parents[1]
    names = {name for name, method in METHODS.items() if method.__module__ == f"spro.credit.methods.{path.stem}"}
    assert names, f"{path} defines no method"
    test = root / "tests/unit/credit/methods" / f"test_{path.stem}.py"
    assert test.exists(), f"{test} is missing"
    untested = {
        name for name in names if not {METHODS[name].__name__, name} & set(re.findall(r"\w+", test.read_text()))
    }
    assert not untested, f"{test} does not test {untested}"
    page = root / "docs/methods" / f"{path.stem}.md"
    assert page.exists(), f"{page} is missing"
    unnamed = {name for name in names if f"`{name}`" not in page.read_text()}
    assert not unnamed, f"{page} does not name {unnamed}"
