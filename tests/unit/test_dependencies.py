"""Everything that the package imports is declared, so that an empty environment has it; extras where they are used."""

import ast
import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
IMPORT_OF = {"pyyaml": "yaml", "math-verify": "math_verify", "transferqueue": "transfer_queue"}
HOSTS = {"verl": {"verl", "transfer_queue", "omegaconf"}, "trl": {"trl", "accelerate"}}
"""Plug-in -> what is there wherever its host is; only the host loads it."""


def test_every_import_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = imports_of(project["dependencies"])
    extras = project["optional-dependencies"]
    optional = imports_of([line for name, lines in extras.items() if name != "dev" for line in lines])
    everywhere, in_functions = set(), set()
    for path in (ROOT / "src").rglob("*.py"):
        tree = ast.parse(path.read_text())
        everywhere |= imported_in(tree)
        functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
        in_functions |= {(path, name) for function in functions for name in imported_in(function)}
        in_host = HOSTS.get(path.parent.name, set())
        everywhere -= in_host - declared - optional
        at_the_top = imported_in(ast.Module([node for node in tree.body if not hasattr(node, "body")], []))
        assert not at_the_top & (optional - declared - in_host), f"{path} needs an extra at its first line"
    assert everywhere - set(sys.stdlib_module_names) - {"spro"} <= declared | optional
    assert optional & {name for _, name in in_functions}, "or the extras are for nothing"


def imports_of(requirements: list[str]) -> set[str]:
    names = {re.split(r"[<>=!~ \[]", requirement, maxsplit=1)[0] for requirement in requirements}
    return {IMPORT_OF.get(name.lower(), name.replace("-", "_")) for name in names}


def imported_in(tree: ast.AST) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module.split(".")[0])
    return found
