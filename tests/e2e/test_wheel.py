"""What is installed from the wheel runs by itself: warm start, default config and page styles ship inside it."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.e2e.command import SMALL

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds nothing but the installed wheel."""
    place = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(place), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = place.glob("*.whl")
    install = [sys.executable, "-m", "pip", "install", "--no-deps", "--quiet", "--target", place / "site", wheel]
    subprocess.run([*map(str, install)], check=True, capture_output=True)
    return place


def test_the_wheel_holds_what_a_run_needs_and_stays_small(installed: Path) -> None:
    (wheel,) = installed.glob("*.whl")
    sizes = {item.filename: item.compress_size for item in zipfile.ZipFile(wheel).infolist()}
    pages = [f"report/{path.name}" for path in (ROOT / "src/spro/report").iterdir() if path.suffix in (".css", ".js")]
    assert "report/microscope.js" in pages
    for needed in ("assets/chain.yaml", "assets/chain/model.safetensors", "py.typed", *pages):
        assert f"spro/{needed}" in sizes
    assert not [name for name in sizes if name.startswith("tests/")]
    of_models = sum(size for name, size in sizes.items() if name.startswith("spro/assets/"))
    assert of_models < 1_600_000
    assert sum(sizes.values()) - of_models < 700_000


def test_the_embedded_default_runs_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(installed / "site"), "HF_HUB_OFFLINE": "1"}
    where = subprocess.run(
        [sys.executable, "-c", "import spro; print(spro.__file__)"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert where.stdout.startswith(str(installed)), "the test must not run the checkout"
    done = subprocess.run(
        [sys.executable, "-m", "spro.cli", "train", *SMALL, "task.held_out_problems=16"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "runs/chain-spro-001/report.html").is_file()
