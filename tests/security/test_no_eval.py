"""No text of a model or a data set may become code: nothing in spro calls what evaluates or unpickles."""

import ast
from pathlib import Path

import pytest

import spro

SOURCES = sorted(Path(spro.__file__).parent.rglob("*.py"))

BUILTINS = {"eval", "exec", "__import__"}
CALLS = {
    "compile",
    "builtins.eval",
    "builtins.exec",
    "builtins.compile",
    "builtins.__import__",
    "torch.load",
    "os.system",
    "os.popen",
    "subprocess.getoutput",
    "subprocess.getstatusoutput",
    *(
        f"{module}.{name}"
        for module in ("pickle", "_pickle", "dill", "cloudpickle", "marshal", "joblib")
        for name in ("load", "loads")
    ),
}
# sympy's own string evaluation, wherever it was imported from.
LAST_NAMES = {"parse_expr", "sympify", "Unpickler"}


def violations(source):
    """What a source text does that it must not: ``line: what``."""
    tree = ast.parse(source)
    aliases = imported_names(tree)
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in BUILTINS:
            found.append(f"{node.lineno}: {node.id}")
        elif isinstance(node, ast.Call):
            found += [f"{node.lineno}: {what}" for what in forbidden_call(node, aliases)]
    return found


def forbidden_call(call, aliases):
    name = dotted(call.func, aliases)
    last = name.rpartition(".")[2]
    if name in CALLS or last in LAST_NAMES:
        yield name
    # nn.Module.eval() takes nothing; an eval with arguments evaluates them.
    elif isinstance(call.func, ast.Attribute) and last == "eval" and (call.args or call.keywords):
        yield f"{name} with arguments"
    for keyword in call.keywords:
        is_off = isinstance(keyword.value, ast.Constant) and keyword.value.value is False
        if keyword.arg == "shell" and not is_off:
            yield f"{name} with shell"


def imported_names(tree):
    aliases = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            aliases |= {alias.asname: alias.name for alias in node.names if alias.asname}
        elif isinstance(node, ast.ImportFrom) and node.module:
            aliases |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return aliases


def dotted(node, aliases):
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value, aliases)}.{node.attr}"
    return aliases.get(node.id, node.id) if isinstance(node, ast.Name) else "?"


def test_there_are_sources():
    assert any(path.parts[-2:] == ("math", "worker.py") for path in SOURCES)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(Path(spro.__file__).parent)))
def test_source_evaluates_nothing(path):
    assert violations(path.read_text()) == []


@pytest.mark.parametrize(
    "planted",
    [
        "eval(x)",
        "list(map(eval, xs))",
        "exec(x)",
        "exec(compile(x, 'f', 'exec'))",
        "compile(x, 'f', 'eval')",
        "__import__(x)",
        "import builtins\nbuiltins.eval(x)",
        "from builtins import eval as harmless\nharmless(x)",
        "frame.eval('a + b')",
        "from sympy.parsing import parse_expr\nparse_expr(x)",
        "import sympy\nsympy.sympify(x)",
        "from sympy import sympify as s\ns(x)",
        "import pickle\npickle.load(f)",
        "import pickle as p\np.loads(b)",
        "from pickle import loads\nloads(b)",
        "from pickle import loads as read\nread(b)",
        "import pickle\npickle.Unpickler(f).load()",
        "import torch\ntorch.load(f)",
        "import torch\ntorch.load(f, weights_only=True)",
        "import os\nos.system(x)",
        "from os import system\nsystem(x)",
        "import subprocess\nsubprocess.run(x, shell=True)",
        "import subprocess\nsubprocess.Popen(x, shell=flag)",
    ],
)
def test_detector_fires(planted):
    assert violations(planted)


@pytest.mark.parametrize(
    "harmless",
    [
        "model.eval()",
        "self.policy.module.eval()",
        "import re\nre.compile(x)",
        "import torch\ntorch.compile(model)",
        "import json\njson.loads(x)",
        "import subprocess\nsubprocess.run([x], shell=False)",
        "from safetensors.torch import load_file\nload_file(x)",
        "'eval(x)'",
    ],
)
def test_detector_is_silent(harmless):
    assert violations(harmless) == []
