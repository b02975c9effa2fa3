"""A panel as SVG."""

from spro.lab.oracle.panel import INSET, Curve, Panel
from spro.lab.oracle.score import Estimate
from spro.report import Axis, safe, short, tag

WIDTH, HEIGHT = 380, 270
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 12, 44


def render_panel(panel: Panel) -> str:
    """The figure as markup, with a link to its file of values."""
    up = panel.up
    curves = "".join(_curve(panel, curve, up) for curve in panel.curves)
    caption = f"{panel.title}, {panel.note}" if panel.note else panel.title
    title_id, description_id = f"{panel.name}-title", f"{panel.name}-description"
    title = tag("title", safe(panel.heading), id=title_id)
    description = tag("desc", safe(_describe(panel)), id=description_id)
    plot = tag(
        "svg",
        title + description + _grid(panel, up) + curves,
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        class_="panel",
        role="img",
        aria_labelledby=title_id,
        aria_describedby=description_id,
    )
    link = tag("a", "CSV", href=f"figures/{panel.name}.csv", aria_label=f"{panel.heading}, CSV")
    heading = tag("figcaption", tag("h3", safe(caption)) + link)
    return tag("figure", heading + plot, class_="oracle-panel", id=f"panel-{panel.name}")


def _describe(panel: Panel) -> str:
    """The values of the methods that are shown when the page opens, for who does not see them."""
    sentences = [f"{panel.note}." if panel.note else "", f"Across: {panel.across.label}."]
    for curve in panel.curves:
        if curve.is_shown:
            pairs = zip(panel.across.texts, curve.estimates, strict=True)
            sentences.append(f"{curve.method}, {'; '.join(f'{place}: {_said(found)}' for place, found in pairs)}.")
    return " ".join(filter(None, [*sentences, "The CSV has all methods and the intervals."]))


def _said(estimate: Estimate) -> str:
    if estimate.is_floored:
        return f"below {short(estimate.floor or 0.0)}"
    return "none" if estimate.value is None else short(estimate.value)


def _x(share: float) -> float:
    return LEFT + (share + INSET) / (1 + 2 * INSET) * (WIDTH - LEFT - RIGHT)


def _y(height: float, up: Axis) -> float:
    return TOP + (1 - up.share(min(max(height, up.low), up.high))) * (HEIGHT - TOP - BOTTOM)


def _grid(panel: Panel, up: Axis) -> str:
    parts = []
    for tick in up.ticks:
        y = _y(tick, up)
        parts.append(tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=f"{y:.1f}", y2=f"{y:.1f}", class_="grid"))
        parts.append(tag("text", safe(panel.up_text(tick)), x=LEFT - 6, y=f"{y + 4:.1f}", class_="tick up"))
    for share, text in panel.across.ticks:
        parts.append(tag("text", safe(text), x=f"{_x(share):.1f}", y=HEIGHT - BOTTOM + 18, class_="tick"))
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(tag("text", safe(panel.across.label), x=f"{middle:.1f}", y=HEIGHT - 6, class_="tick"))
    return tag("g", "".join(parts), aria_hidden="true")


def _curve(panel: Panel, curve: Curve, up: Axis) -> str:
    strokes: list[list[str]] = [[]]
    marks = []
    for index, (share, estimate) in enumerate(zip(panel.across.shares, curve.estimates, strict=True)):
        height = panel.height(estimate)
        if height is None:
            strokes.append([])
            continue
        x, y = f"{_x(share):.1f}", f"{_y(height, up):.1f}"
        strokes[-1].append(f"{x} {y}")
        ends = [f"{_y(end, up):.1f}" for end in panel.whisker(estimate)]
        if ends:
            marks.append(tag("line", x1=x, x2=x, y1=ends[0], y2=ends[1], stroke=curve.color))
        marks.append(_dot(panel, curve, index, x, y))
    dash = " ".join(f"{length:g}" for length in curve.dash) or None
    lines = "".join(
        tag("path", d="M" + "L".join(stroke), fill="none", stroke=curve.color, stroke_dasharray=dash)
        for stroke in strokes
        if len(stroke) > 1
    )
    return tag("g", lines + "".join(marks), class_=f"series m-{curve.method}")


def _dot(panel: Panel, curve: Curve, index: int, x: str, y: str) -> str:
    estimate = curve.estimates[index]
    text = _said(estimate)
    if ends := panel.interval(estimate):
        text += f" (95 % interval {' to '.join(map(short, ends))})"
    title = tag("title", safe(f"{curve.method}, {panel.across.label} {panel.across.texts[index]}: {text}"))
    fill = "var(--paper)" if estimate.is_floored else curve.color
    return tag("circle", title, cx=x, cy=y, r=3.2, fill=fill, stroke=curve.color)
