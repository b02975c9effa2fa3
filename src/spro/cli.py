"""The command line.

Exit codes: 0; 2 for a user's error (one line, no traceback); 1 for ours; 128 + signal number when stopped.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from spro import __version__
from spro.errors import ConfigError, SproError, UserError

EXIT_FAILED = 1
EXIT_USER_ERROR = 2


def build_parser() -> argparse.ArgumentParser:
    """The public surface of the command line."""
    parser = argparse.ArgumentParser(prog="spro", description="Process-reward RL without a process reward model.")
    parser.add_argument("--version", action="version", version=f"spro {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    package = Path(__file__).parent
    train = commands.add_parser(
        "train",
        help="train a model; without a config the embedded lab run",
        epilog=f"Every key, its default and what it does: {package / 'config'}; of credit.type: spro methods",
    )
    train.add_argument("words", nargs="*", metavar="CONFIG.yaml | key=value", help="a config first, then settings")
    _add_unsafe(train)
    train.add_argument(
        "--resume",
        action="store_true",
        help="go on with the run in run_dir from its newest whole checkpoint; begin it where there is none",
    )
    train.set_defaults(run=run_train)

    _add_launch(commands)
    _add_eval(commands)
    _add_compare(commands)
    _add_microscope(commands)
    _add_watch(commands)

    methods = commands.add_parser("methods", help="list the credit methods, their settings and what they need")
    methods.add_argument("name", nargs="?", help="say all of one method: its equation, source and choices")
    methods.set_defaults(run=run_methods)

    oracle = commands.add_parser(
        "oracle",
        help="score the credit methods against exact advantages",
        epilog=f"Every key, its default and what it does: {package / 'lab/oracle/config.py'}",
    )
    oracle.add_argument("words", nargs="*", metavar="key=value", help="settings, for example methods=spro,grpo out=DIR")
    oracle.set_defaults(run=run_oracle)

    doctor = commands.add_parser("doctor", help="say what this installation can do")
    doctor.set_defaults(run=run_doctor)

    merge = commands.add_parser("merge", help="write a LoRA checkpoint as a whole model")
    merge.add_argument("checkpoint", type=Path, metavar="RUN/checkpoints/step-N")
    merge.add_argument("folder", type=Path)
    merge.set_defaults(run=run_merge)

    report = commands.add_parser("report", help="write the page of a folder anew, and its figures as PNG and CSV")
    report.add_argument("folder", type=Path, help="of a run, a comparison or a microscope")
    report.set_defaults(run=run_report)
    return parser


def _add_launch(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    launch = commands.add_parser(
        "launch",
        help="run a config in another trainer, on as many machines as that takes",
        usage="spro launch [--dry-run [--write-data]] {verl} [CONFIG.yaml] [key=value ...] [-- WORD ...]",
        epilog="What stands behind -- goes to that trainer as it is, for example: -- trainer.nnodes=4",
    )
    launch.add_argument("host", choices=("verl",), help="the trainer, which pip install 'spro[verl]' brings")
    launch.add_argument("words", nargs="*", metavar="CONFIG.yaml | key=value", help="a config first, then settings")
    launch.add_argument("--dry-run", action="store_true", help="print its command; needs nothing and writes nothing")
    launch.add_argument("--write-data", action="store_true", help="with --dry-run: write the data that it will read")
    launch.set_defaults(run=run_launch, passed_on=())


def _add_eval(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    evaluate = commands.add_parser(
        "eval",
        help="measure a model on a suite of problems, with intervals",
        epilog=f"Every key, its default and what it does: {Path(__file__).parent / 'evaluate/config.py'}",
    )
    evaluate.add_argument("model", help="a model's folder, a checkpoint, a hub id, or the folder of an evaluation")
    evaluate.add_argument("words", nargs="*", metavar="key=value", help="settings, for example path=FILE samples=8")
    evaluate.add_argument("--suite", metavar="NAME", help="amc, math500, olympiadbench, ...; a wrong name lists all")
    evaluate.add_argument("--against", type=Path, metavar="FOLDER", help="paired differences from another evaluation")
    evaluate.add_argument("--resume", action="store_true", help="go on with the evaluation in out")
    evaluate.add_argument("--export", choices=("lm-eval",), help="write the suite as a task of that harness instead")
    _add_unsafe(evaluate)
    evaluate.set_defaults(run=run_eval)


def _add_compare(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    compare = commands.add_parser(
        "compare",
        help="train several methods with several seeds, and say what differs beyond chance",
        epilog=f"Every key, its default and what it does: {Path(__file__).parent / 'lab/compare/config.py'}",
    )
    compare.add_argument("config", type=Path, metavar="CONFIG.yaml")
    compare.add_argument("words", nargs="*", metavar="key=value", help="settings over those of the config")
    compare.add_argument("--resume", action="store_true", help="go on with the comparison in out")
    _add_unsafe(compare)
    compare.set_defaults(run=run_compare)


def _add_microscope(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    microscope = commands.add_parser(
        "microscope",
        help="score the same rollouts with several methods, token by token, beside the truth",
        epilog=f"Every key, its default and what it does: {Path(__file__).parent / 'lab/microscope/config.py'}",
    )
    microscope.add_argument("target", metavar="RUN | MODEL", help="a run folder, a model's folder, or a hub id")
    microscope.add_argument("words", nargs="*", metavar="key=value", help="settings, for example methods=spro,grpo")
    _add_unsafe(microscope)
    microscope.set_defaults(run=run_microscope)


def _add_watch(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    watch = commands.add_parser("watch", help="show a run as a live page, to this machine alone")
    watch.add_argument("folder", type=Path, metavar="RUN")
    watch.add_argument("--port", type=int, default=0, help="of the page; without it a free one")
    watch.add_argument("--open", action="store_true", dest="open_browser", help="open the page in a browser")
    watch.set_defaults(run=run_watch)


def _add_unsafe(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--i-understand-unsafe-code-execution",
        action="store_true",
        dest="allow_unsafe",
        help="with verify.code.sandbox=none: run the model's programs unconfined, as you",
    )


def _one_thread() -> None:
    """Before torch starts: spin barriers between two threads make tiny models up to five times slower."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def run_train(arguments: argparse.Namespace) -> int:
    """``spro train [CONFIG.yaml] [key=value ...]``."""
    _one_thread()
    from spro.train.command import train_command

    path, settings = _config_first(arguments.words)
    return train_command(path, settings, arguments.allow_unsafe, arguments.resume)


def run_launch(arguments: argparse.Namespace) -> int:
    """``spro launch verl [CONFIG.yaml] [key=value ...] [--dry-run [--write-data]] [-- WORD ...]``."""
    from spro.plugins.launch import launch_command

    path, settings = _config_first(arguments.words)
    return launch_command(path, settings, arguments.passed_on, arguments.dry_run, arguments.write_data)


def _config_first(words: list[str]) -> tuple[Path | None, list[str]]:
    """The config, if the first word is none of the settings, and the settings."""
    if words and "=" not in words[0]:
        return Path(words[0]), words[1:]
    return None, words


def run_eval(arguments: argparse.Namespace) -> int:
    """``spro eval MODEL --suite NAME [key=value ...]``."""
    _one_thread()
    from spro.evaluate import evaluate_command, export_command, is_evaluation, show_command

    model, suite, words = arguments.model, arguments.suite, arguments.words
    against, resume = arguments.against, arguments.resume
    if is_evaluation(Path(model)):
        if suite is not None or words or resume or arguments.export is not None:
            raise ConfigError(
                f"{model!r} is an evaluation, whose numbers are shown; leave out --suite, --resume, --export and "
                "settings, or give the model itself"
            )
        return show_command(Path(model), against)
    if arguments.export is not None:
        if resume or against is not None:
            raise ConfigError("--export writes a task and asks nothing: leave out --resume and --against")
        return export_command(model, suite, words)
    return evaluate_command(model, suite, words, against, resume, arguments.allow_unsafe)


def run_compare(arguments: argparse.Namespace) -> int:
    """``spro compare CONFIG.yaml [key=value ...]``."""
    _one_thread()
    from spro.lab.compare import compare_command

    return compare_command(arguments.config, arguments.words, arguments.resume, arguments.allow_unsafe)


def run_microscope(arguments: argparse.Namespace) -> int:
    """``spro microscope RUN|MODEL [key=value ...]``."""
    _one_thread()
    from spro.lab.microscope import microscope_command

    return microscope_command(arguments.target, arguments.words, arguments.allow_unsafe)


def run_watch(arguments: argparse.Namespace) -> int:
    """``spro watch RUN``."""
    from spro.report import watch_command

    return watch_command(arguments.folder, arguments.port, arguments.open_browser)


def run_methods(arguments: argparse.Namespace) -> int:
    """``spro methods [NAME]``."""
    from spro.describe import describe_method, describe_methods

    print(describe_method(arguments.name) if arguments.name else describe_methods())
    return 0


def run_oracle(arguments: argparse.Namespace) -> int:
    """``spro oracle [key=value ...]``."""
    _one_thread()
    from spro.lab.oracle import oracle_command

    return oracle_command(arguments.words)


def run_doctor(arguments: argparse.Namespace) -> int:
    """``spro doctor``."""
    from spro.describe import examine_installation

    report, is_healthy = examine_installation()
    print(report)
    return 0 if is_healthy else EXIT_FAILED


def run_merge(arguments: argparse.Namespace) -> int:
    """``spro merge RUN/checkpoints/step-N FOLDER``."""
    from spro.train.merge import merge_command

    print(merge_command(arguments.checkpoint, arguments.folder))
    return 0


def run_report(arguments: argparse.Namespace) -> int:
    """``spro report FOLDER``; what is in a folder tells what it is of."""
    folder = arguments.folder
    if (folder / "summaries").is_dir() or (folder / "compare.yaml").is_file():
        from spro.lab.compare import rebuild_comparison

        print(rebuild_comparison(folder))
        return 0
    if (folder / "result.json").is_file():
        raise ConfigError(f"{str(folder)!r} is an evaluation, which has no page: spro eval {folder} shows its numbers")
    from spro.report import write_microscope, write_microscope_figures, write_report, write_run_figures

    is_microscope = (folder / "measures.json").is_file()
    write_page, write_figures = (
        (write_microscope, write_microscope_figures) if is_microscope else (write_report, write_run_figures)
    )
    print(write_page(folder))
    for path in write_figures(folder)[:1]:
        print(path.parent)
    return 0


def _parse(words: Sequence[str] | None) -> argparse.Namespace:
    """With settings before and behind an option, which argparse alone does not take."""
    parser = build_parser()
    given, behind = list(sys.argv[1:] if words is None else words), []
    if given[:1] == ["launch"] and "--" in given:
        cut = given.index("--")
        given, behind = given[:cut], given[cut + 1 :]
    arguments, left = parser.parse_known_args(given)
    if left and ("words" not in arguments or any(word.startswith("-") for word in left)):
        parser.error(f"unrecognized arguments: {' '.join(left)}")
    if left:
        arguments.words += left
    if behind:
        arguments.passed_on = behind
    return arguments


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    arguments = _parse(words)
    try:
        return int(arguments.run(arguments))
    except UserError as error:
        print(f"spro: {error}", file=sys.stderr)
        return EXIT_USER_ERROR
    except SproError as error:
        print(f"spro: {type(error).__name__}: {error}", file=sys.stderr)
        return EXIT_FAILED
    except KeyboardInterrupt:
        print("spro: stopped", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
