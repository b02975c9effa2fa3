"""``spro doctor`` where verl is installed."""

import os
import subprocess
import sys

import pytest
from launch import TIMEOUT


def doctor(plugins: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"VERL_USE_EXTERNAL_PLUGINS": plugins, "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, "-m", "spro.cli", "doctor"]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=TIMEOUT)


@pytest.mark.parametrize(
    ("plugins", "said", "code"),
    [("auto", "verl 0.9.1: the plug-in is loaded", 0), ("none", "verl 0.9.1: FAILED: verl did not load it", 1)],
)
def test_doctor_says_whether_verl_loads_the_plug_in(plugins: str, said: str, code: int) -> None:
    done = doctor(plugins)
    assert said in done.stdout
    assert done.returncode == code
