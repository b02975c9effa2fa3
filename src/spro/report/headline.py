"""The result in one glance: what was trained with what, and what became of it."""

from collections.abc import Mapping
from pathlib import PurePosixPath

from spro.report.causes import CAUSES, Told, collapses, explain
from spro.report.held_out import held_out_spans
from spro.report.run import Run
from spro.report.text import ARROW, DOT, NBSP, duration, percent, safe, short, tag

STEPS_BEFORE = 5
"""Steps before a collapse whose mean accuracy is told."""


def title(run: Run) -> str:
    """What was trained with which method, as plain text."""
    method, task = _method(run), run.setting("task").get("type")
    if method and task:
        return f"{method} on {task}"
    return method or str(task or run.name)


def render_headline(run: Run) -> str:
    """The head of the page."""
    figures = [figure for figure in (_accuracy(run), _length(run), _steps(run), _time(run)) if figure]
    return tag(
        "header",
        tag("p", f"Training run {tag('code', safe(run.name))}", class_="kicker")
        + tag("h1", safe(title(run)))
        + tag("p", _settings(run), class_="settings")
        + tag("dl", "".join(figures), class_="figures")
        + "".join(tag("p", safe(note), class_="notice") for note in _notices(run)),
    )


def _method(run: Run) -> str:
    name = run.setting("credit").get("type")
    text = "" if name is None else str(name)
    return text.upper() if text.isalpha() and len(text) <= 5 else text


def _settings(run: Run) -> str:
    parts = []
    model = run.setting("model").get("path")
    if model is not None:
        parts.append(f"model {tag('code', safe(PurePosixPath(str(model)).name or model))}")
    parts += [f"{safe(key)} {tag('code', safe(value))}" for key, value in _scalars(run.setting("credit")).items()]
    return DOT.join(parts)


def _scalars(section: Mapping[str, object]) -> dict[str, object]:
    plain = {k: v for k, v in section.items() if isinstance(v, str | int | float) and k != "type"}
    return dict(list(plain.items())[:8])


def _figure(name: str, value: str, detail: str) -> str:
    return tag(
        "div", tag("dt", safe(name)) + tag("dd", value, class_="value") + tag("dd", safe(detail), class_="detail")
    )


def _change(first: str, last: str) -> str:
    arrow = tag("span", ARROW, class_="arrow", aria_label="to", role="img")
    return f"{tag('span', safe(first), class_='from')} {arrow} {tag('span', safe(last))}"


def _accuracy(run: Run) -> str:
    points = run.metrics.series("eval/accuracy").points
    if not points:
        points = run.metrics.series("accuracy").points
        if not points:
            return ""
        detail = "of sampled responses; no held-out measurement"
        return _figure("Training accuracy", _change(percent(points[0][1]), percent(points[-1][1])), detail)
    if len(points) == 1:
        return _figure("Held-out accuracy", percent(points[0][1]), _interval(run, points))
    return _figure("Held-out accuracy", _change(percent(points[0][1]), percent(points[-1][1])), _interval(run, points))


def _interval(run: Run, points: tuple[tuple[float, float], ...]) -> str:
    intervals = held_out_spans(run.metrics)
    ends = [points[0], points[-1]] if len(points) > 1 else [points[0]]
    spans = [
        f"{100 * low:.1f} to {100 * high:.1f}{NBSP}%"
        for low, high in (intervals[step] for step, _ in ends if step in intervals)
    ]
    parts = [f"95{NBSP}% intervals " + ", then ".join(spans)] if len(spans) == len(ends) else []
    if len(ends) == 1:
        parts = [part.replace("intervals", "interval") for part in parts] + [f"one measurement, step {ends[0][0]:,.0f}"]
    problems = run.metrics.series("eval/problems").points
    if problems:
        parts.append(f"{problems[-1][1]:,.0f} problems")
    return "; ".join(parts)


def _length(run: Run) -> str:
    for key, what in (("eval/response_length/mean", "held-out"), ("response_length/mean", "training")):
        points = run.metrics.series(key).points
        if points:
            detail = f"tokens, {what} mean"
            clipped = run.metrics.series("response_length/clip_ratio").points
            if any(share > 0 for _, share in clipped):
                detail += f"; {percent(clipped[-1][1])} cut off at the limit in the last step"
            value = _change(short(points[0][1]), short(points[-1][1])) if len(points) > 1 else short(points[0][1])
            return _figure("Response length", value, detail)
    return ""


def _steps(run: Run) -> str:
    tokens = run.metrics.series("tokens").points
    detail = f"{_rounded(tokens[-1][1])} response tokens" if tokens else ""
    return _figure("Steps", f"{run.metrics.steps[-1]:,}", detail)


def _rounded(count: float) -> str:
    for size, unit in ((1e12, "trillion"), (1e9, "billion"), (1e6, "million")):
        if count >= size:
            return f"{short(count / size)} {unit}"
    return f"{count:,.0f}"


def _time(run: Run) -> str:
    points = run.metrics.series("time/step_s").points
    if not points:
        return ""
    total = sum(value for _, value in points)
    return _figure("Wall time", safe(duration(total)), f"in steps; {duration(total / len(points))} a step")


def _notices(run: Run) -> list[str]:
    notices = [_collapse(run, told) for told in collapses(run.metrics)]
    if run.cut_off:
        notices.append(
            f"The last line of metrics.jsonl is half written: the run is still going or was stopped after step "
            f"{run.metrics.steps[-1]:,}."
        )
    unscored = run.metrics.series("verify/unscored_fraction").points
    worst = max((value for _, value in unscored), default=0.0)
    if worst > 0:
        mean = sum(value for _, value in unscored) / len(unscored)
        notices.append(
            f"{percent(mean)} of the responses could not be graded (at worst {percent(worst)} in a step); "
            "they took no part in training."
        )
    return notices


def _collapse(run: Run, told: Told) -> str:
    """One collapse as a sentence or two, with the accuracy before it and in its last step."""
    text = f"The run collapsed at step {told.began:,} (recognised at step {told.recognised:,})"
    accuracy = dict(run.metrics.series("accuracy").points)
    before = [accuracy[step] for step in sorted(accuracy) if step < told.began][-STEPS_BEFORE:]
    if before and told.last in accuracy:
        text += f": training accuracy {percent(sum(before) / len(before))} before, {percent(accuracy[told.last])} at "
        text += f"step {told.last:,}"
    text += f"; {explain(told.cause)}."
    if told.last < run.metrics.steps[-1]:
        text += " It has recovered since."
    return f"{text} To try: {CAUSES[told.cause].remedy}." if told.cause in CAUSES else text
