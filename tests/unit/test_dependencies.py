"""Everything that the package imports is declared, so that an empty environment has it."""

import ast
import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
IMPORT_OF = {"pyyaml": "yaml", "math-verify": "math_verify"}


def test_every_import_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = {re.split(r"[<>=!~ \[]", requirement, maxsplit=1)[0] for requirement in project["dependencies"]}
    declared = {IMPORT_OF.get(name.lower(), name.replace("-", "_")) for name in names}
    imported = set()
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                imported.add(node.module.split(".")[0])
    assert imported - set(sys.stdlib_module_names) - {"spro"} <= declared
