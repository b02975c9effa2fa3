"""What is still to be done of a comparison, and what becomes of it: train, measure, summarize, run by run."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from json import loads

from spro.errors import SproError
from spro.folders import write_whole
from spro.lab.compare.config import BASE, CompareConfig, run_name
from spro.lab.compare.folder import CompareFolder
from spro.lab.compare.measurement import Measurement
from spro.lab.compare.plan import Plan
from spro.lab.compare.processes import Ended, Job, Kind
from spro.lab.compare.summary import Scores, Summary, follow, read_summary, write_summary
from spro.report import collapses, explain, read_run
from spro.settings import dump_config
from spro.train.checkpoint import Checkpoints
from spro.train.interrupt import STOPPING

REASON_LENGTH = 300


class Schedule:
    """The runs of a comparison.

    Args:
        config: of the comparison.
        plan: of its runs.
        folder: where they lie.
        allow_unsafe: see ``Grading``.
        say: told one line at a time.
    """

    def __init__(
        self, config: CompareConfig, plan: Plan, folder: CompareFolder, allow_unsafe: bool, say: Callable[[str], None]
    ) -> None:
        self._config, self._plan, self._folder = config, plan, folder
        self._allow_unsafe, self._say = allow_unsafe, say
        self._runs = {run_name(label, seed): (label, seed) for label in config.labels for seed in config.seeds}
        self._done: list[str] = []
        self.failed: list[str] = []

    def write_configs(self) -> None:
        """The resolved settings from which the processes start."""
        for label, config in {BASE: self._plan.base, **self._plan.methods}.items():
            write_whole(self._folder.config(label), dump_config(config))

    def jobs(self) -> list[Job]:
        """The first job of everything that has no whole summary yet; what failed before is tried again.

        All methods of the first seed come first, so that a comparison that is looked at early is one of methods.
        """
        self._done = [name for name in (BASE, *self._runs) if self._is_done(name)]
        if self._done:
            self._say(f"{len(self._done)} of {len(self._runs) + 1} summaries are there already")
        by_seed = [run_name(label, seed) for seed in self._config.seeds for label in self._config.labels]
        first = [] if BASE in self._done else [self._measure(BASE)]
        return first + [self._train(name) for name in by_seed if name not in self._done]

    def ended(self, one: Ended) -> Sequence[Job]:
        """Take note of how a job ended; the one that follows from it."""
        name = one.job.name
        if one.code:
            self._fail(name, self._reason(one))
        elif one.job.kind is Kind.TRAIN:
            return [self._measure(name)]
        else:
            try:
                self._summarize(name)
            except (SproError, OSError, ValueError) as error:
                self._fail(name, f"its numbers cannot be read: {error}")
        return []

    def _is_done(self, name: str) -> bool:
        with suppress(SproError):
            return not read_summary(self._folder.summary(name)).failure
        return False

    def _train(self, name: str) -> Job:
        label, seed = self._runs[name]
        words = ["-m", "spro.cli", "train", str(self._folder.config(label)), f"seed={seed}"]
        words += [f"run_dir={self._folder.run(label, seed)}", "--resume"]
        if self._allow_unsafe:
            words.append("--i-understand-unsafe-code-execution")
        return Job(name, Kind.TRAIN, tuple(words), self._folder.log(name))

    def _measure(self, name: str) -> Job:
        label, seed = self._runs.get(name, (BASE, 0))
        model = None
        if name != BASE:
            checkpoints = Checkpoints(self._folder.run(label, seed) / "checkpoints", keep=2)
            model = str(checkpoints.newest())
        final = self._config.evaluate
        measurement = Measurement(
            config=str(self._folder.config(label)),
            model=model,
            to=str(self._folder.scores(name)),
            seed=seed,
            problems_seed=self._plan.problems_seed,
            samples=final.samples,
            greedy=final.greedy,
            problems=final.problems,
            allow_unsafe=self._allow_unsafe,
        )
        words = ("-m", "spro.lab.compare.final", measurement.words)
        return Job(name, Kind.MEASURE, words, self._folder.log(name))

    def _summarize(self, name: str) -> None:
        path = self._folder.scores(name)
        rows = loads(path.read_text("utf-8"))
        scores = tuple(Scores(**(row | {"sampled": tuple(row["sampled"])})) for row in rows)
        summary = Summary()
        if name != BASE:
            metrics = read_run(self._folder.run(*self._runs[name])).metrics
            summary = follow(metrics.rows)
            told = collapses(metrics)
            if told:
                summary = replace(summary, collapse=f"collapsed at step {told[0].began}; {explain(told[0].cause)}")
        write_summary(self._folder.summary(name), replace(summary, scores=scores))
        path.unlink()
        self._done.append(name)
        graded = [score for one in scores for score in one.sampled]
        mean = f"mean score {sum(graded) / len(graded):.3g}" if graded else "no answer could be graded"
        collapse = f"; {summary.collapse}" if summary.collapse else ""
        self._say(f"{name}: {mean} on {len(scores)} held-out problems{collapse} ({self._state()})")

    def _fail(self, name: str, reason: str) -> None:
        write_summary(self._folder.summary(name), Summary(failure=reason))
        self.failed.append(name)
        self._say(f"{name}: failed, {reason}; see {self._folder.log(name)} ({self._state()})")

    def _state(self) -> str:
        left = len(self._runs) + 1 - len(self._done) - len(self.failed)
        failed = f", {len(self.failed)} failed" if self.failed else ""
        return f"{len(self._done)} done{failed}, {left} to go"

    def _reason(self, one: Ended) -> str:
        """The last that a process said of itself, without the folder, which is another on another machine."""
        how = f"signal {-one.code}" if one.code < 0 else f"exit code {one.code}"
        with suppress(OSError):
            lines = [line for line in map(str.strip, one.said().splitlines()) if line]
            told = [line.removeprefix("spro: ") for line in lines if line.startswith("spro: ") and line != STOPPING]
            told = told or (["a signal asked it to end"] if STOPPING in lines else lines[-1:])
            if told:
                return f"{how}: {told[-1].replace(f'{self._folder.path}/', '')[:REASON_LENGTH]}"
        return how
