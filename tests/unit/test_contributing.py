"""The worked example of CONTRIBUTING.md, done: its source file and its test file, in a copy of the project."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_worked_example_adds_a_method_by_one_source_and_one_test_file(tmp_path: Path) -> None:
    section = (ROOT / "CONTRIBUTING.md").read_text().partition("## Adding a credit method")[2]
    source, test = re.findall(r"```python\n(.*?)```", section, flags=re.DOTALL)
    # Into the folders of bytecode other processes write at this moment.
    unread = shutil.ignore_patterns("__pycache__", ".hypothesis")
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=unread)
    tests = shutil.copytree(ROOT / "tests", tmp_path / "tests", ignore=unread)
    (tmp_path / "src/spro/credit/methods/lite_ppo.py").write_text(source)
    (tests / "unit/credit/methods/test_lite_ppo.py").write_text(test)

    files = [tests / "property/test_every_method.py", tests / "unit/credit/methods/test_lite_ppo.py"]
    words = ["-p", "no:cacheprovider", "-q", "-k", "lite_ppo", "--import-mode=importlib", *map(str, files)]
    environment = {"PYTHONPATH": f"{tmp_path / 'src'}:{tmp_path}", "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words], capture_output=True, text=True, cwd=tmp_path, env=environment
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert re.search(r"\b1\d passed", done.stdout), "ten for every method, and its own two"

    listed = subprocess.run(
        [sys.executable, "-m", "spro.cli", "methods"], capture_output=True, text=True, env=environment, check=True
    )
    assert "lite_ppo\n    Reconstruction. " in listed.stdout
    assert "std_eps=required" in listed.stdout
