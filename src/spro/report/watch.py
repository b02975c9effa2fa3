"""``spro watch``: a run as a page that follows it."""

import signal
import threading
import webbrowser
from pathlib import Path

from spro.errors import ConfigError, RunFolderError
from spro.report.live import LiveRun
from spro.report.server import ADDRESS, LiveServer
from spro.signals import leave, on_signals

HIGHEST_PORT = 65535


def watch_command(folder: Path, port: int = 0, open_browser: bool = False) -> int:
    """Serve the live page of a run to this machine until Ctrl-C or SIGTERM.

    Args:
        folder: of the run; it need not exist yet, where it can come into being.
        port: 0 for a free one; it is printed.
        open_browser: show the page at once.

    Returns:
        0 after Ctrl-C, 143 after SIGTERM.

    Raises:
        RunFolderError: the folder is a file, or there is no place where it could come into being.
        ConfigError: the port is none, taken, or not for this user.
    """
    _check(folder)
    with _open(folder, port) as server:
        address = f"http://{ADDRESS}:{server.port}/"
        waits = "" if folder.exists() else ", once there is such a run"
        print(f"{address} shows {folder} to this machine{waits}; Ctrl-C ends it", flush=True)
        if open_browser:
            # A browser in the terminal would not return, and nobody would answer it.
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
        try:
            with on_signals(leave, (signal.SIGTERM,)):
                server.serve_forever()
        except KeyboardInterrupt:
            return 0
        except SystemExit:
            return 128 + signal.SIGTERM
    return 0


def _check(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise RunFolderError(f"{folder} is a file: give the run folder that `spro train` writes")
    if not folder.exists():
        above = next(parent for parent in folder.absolute().parents if parent.exists())
        if not above.is_dir():
            raise RunFolderError(f"{folder} cannot be a run folder, {above} is a file: check the path")


def _open(folder: Path, port: int) -> LiveServer:
    if not 0 <= port <= HIGHEST_PORT:
        raise ConfigError(f"port {port} is none: give one from 1 to {HIGHEST_PORT}, or none for a free one")
    try:
        return LiveServer(LiveRun(folder), port)
    except OSError as error:
        raise ConfigError(
            f"port {port} of {ADDRESS} cannot be used ({error.strerror}): give another one, or none for a free one"
        ) from error
