"""Responses with every token coloured by the credit it received.

Colour is a level from -7 to 7 of a scale that is symmetrical about zero and shared in a group, so a pale token is
close to zero and equal colours mean equal credit. The levels are style classes and the numbers data attributes:
without a script the page shows the total, with one any single term.
"""

import math
from collections.abc import Sequence

from spro.report.rollouts import Group, Numbers, Response
from spro.report.text import DOT, MINUS, exact, safe, short, signed, tag

LEVELS = 7
TOTAL = "total advantage"
"""The sum of a method's terms."""
HEAD_TOKENS = 260
TAIL_TOKENS = 60
RESPONSES = 6
CLIPPED_SHARE = 0.02
# Centering identical rewards leaves rounding dust; a scale made of it would paint dust in full colour.
DUST = 1e-6

MARKS = {"correct": "\u2713", "wrong": "\u2717", "partial": "\u25d0"}


def render_tokens(groups: Sequence[Group]) -> str:
    """The section "Where the credit goes"; empty without groups."""
    if not groups:
        return ""
    terms = list(dict.fromkeys(name for group in groups for response in group.responses for name in response.terms))
    options = "".join(tag("option", safe(name), value=name) for name in (TOTAL, *terms))
    # Hidden until the script that makes it work has started.
    select = tag("select", options, id="quantity")
    choice = tag("label", f"Colour by {select}", class_="choice", hidden=True) if terms else ""
    tools = " Dotted tokens are a tool's: no credit, no loss." if _tool_tokens(groups) else ""
    intro = tag(
        "p",
        f"Blue tokens are made more likely, orange ones less likely.{tools} Point at a token for its numbers; "
        "with the keyboard, enter a response and use the arrow keys.",
        class_="intro",
    )
    body = "".join(_group(group, terms, earlier=group.step != groups[0].step) for group in groups)
    return tag("section", tag("h2", "Where the credit goes") + intro + choice + body, id="credit")


def scale_of(columns: Sequence[Numbers]) -> float:
    """Where the strongest colour begins: all but the 2 % largest magnitudes lie within, rounded up to two digits."""
    sizes = sorted(abs(value) for column in columns for value in column if value is not None)
    if not sizes or sizes[-1] < DUST:
        return 0.0
    bound = sizes[math.ceil((1 - CLIPPED_SHARE) * len(sizes)) - 1]
    bound = bound if bound >= DUST else sizes[-1]
    power = 10.0 ** (math.floor(math.log10(bound)) - 1)
    return math.ceil(bound / power - 1e-9) * power


def level_of(value: float | None, scale: float) -> int:
    """The colour of a value, from -LEVELS to LEVELS. ``tip.js`` computes the same."""
    if value is None or scale == 0:
        return 0
    size = min(LEVELS, int(abs(value) / scale * LEVELS + 0.5))
    return size if value > 0 else -size


def level_class(level: int) -> str:
    """The style class of a colour."""
    return f"plus{level}" if level > 0 else f"minus{-level}" if level < 0 else "zero"


def _tool_tokens(groups: Sequence[Group]) -> bool:
    return not all(by_policy for group in groups for response in group.responses for by_policy in response.written)


def _group(group: Group, terms: Sequence[str], earlier: bool) -> str:
    by_quantity = [[r.advantages for r in group.responses]]
    by_quantity += [[r.terms.get(name, ()) for r in group.responses] for name in terms]
    scales = [scale_of(columns) for columns in by_quantity]
    shown = _pick(group.responses)
    right = sum(1 for r in group.responses if r.score == 1)
    counted = f"{right} of {len(group.responses)} correct"
    if len(shown) < len(group.responses):
        counted += f", {len(shown)} shown"
    when = f"step {group.step:,}" + (" (early, for comparison)" if earlier else "")
    truth = f"{DOT}expected {tag('code', safe(group.ground_truth))}" if group.ground_truth else ""
    # A long prompt scrolls in its box, and what scrolls must be reachable by keyboard.
    scrolls = len(group.prompt) > 400 or group.prompt.count("\n") > 6
    header = (
        tag("h3", f"{safe(group.problem_id or 'one prompt')} {tag('span', safe(when))}")
        + tag(
            "pre",
            safe(group.prompt),
            class_="prompt",
            tabindex=0 if scrolls else None,
            role="group",
            aria_label="Prompt",
        )
        + tag("p", safe(counted) + truth, class_="facts")
    )
    responses = "".join(_response(response, terms, scales[0]) for response in shown)
    return tag(
        "article",
        header + _legend(scales[0]) + tag("ol", responses),
        class_="group",
        data_scales=" ".join(exact(scale) for scale in scales),
    )


def _pick(responses: Sequence[Response]) -> list[Response]:
    """A few of a large group, so that each score still has its share; the order stays."""
    if len(responses) <= RESPONSES:
        return list(responses)
    by_score: dict[float | None, list[int]] = {}
    for index, response in enumerate(responses):
        by_score.setdefault(response.score, []).append(index)
    ranked = sorted((rank, index) for indices in by_score.values() for rank, index in enumerate(indices))
    return [responses[index] for index in sorted(index for _, index in ranked[:RESPONSES])]


def _legend(scale: float) -> str:
    swatches = "".join(tag("i", class_=level_class(level)) for level in range(-LEVELS, LEVELS + 1))
    low, high = (f"\u2264{MINUS}{exact(scale)}", f"\u2265+{exact(scale)}") if scale else ("all 0", "")
    return tag(
        "p",
        tag("span", safe(low), class_="low")
        + tag("span", swatches, class_="swatches", aria_hidden="true")
        + tag("span", safe(high), class_="high"),
        class_="ramp",
    )


def _response(response: Response, terms: Sequence[str], scale: float) -> str:
    status = response.status or "no verdict"
    badge = tag(
        "span", safe(f"{MARKS.get(status, '?')} {status.replace('_', ' ')}"), class_="badge", data_status=status
    )
    facts = []
    if response.score is not None and response.score not in (0.0, 1.0):
        facts.append(f"score {short(response.score)}")
    if response.extracted:
        facts.append(f"answer {tag('code', safe(response.extracted))}")
    if response.tokens:
        by_tool = response.written.count(False)
        facts.append(f"{len(response.tokens):,} tokens" + (f", {by_tool:,} of them a tool's" if by_tool else ""))
    if response.finish_reason and response.finish_reason != "stop":
        facts.append(f"ended by {safe(response.finish_reason)}")
    if response.detail:
        facts.append(safe(response.detail))
    head = tag("p", " ".join((badge, DOT.join(facts))), class_="verdict")
    label = f"Response, {status.replace('_', ' ')}, {len(response.tokens)} tokens"
    return tag("li", head + tag("div", _body(response, terms, scale), class_="tokens", role="group", aria_label=label))


def _body(response: Response, terms: Sequence[str], scale: float) -> str:
    count = len(response.tokens)
    if not count:
        return safe(response.text[: 8 * HEAD_TOKENS]) or tag("i", "empty response")
    if count <= HEAD_TOKENS + TAIL_TOKENS:
        return "".join(_token(response, index, terms, scale) for index in range(count))
    head = "".join(_token(response, index, terms, scale) for index in range(HEAD_TOKENS))
    tail = "".join(_token(response, index, terms, scale) for index in range(count - TAIL_TOKENS, count))
    gap = f"\u2026 {count - HEAD_TOKENS - TAIL_TOKENS:,} tokens left out \u2026"
    return head + tag("span", safe(gap), class_="gap") + tail


def _token(response: Response, index: int, terms: Sequence[str], scale: float) -> str:
    columns = [response.advantages, *(response.terms.get(name, ()) for name in terms)]
    values = [column[index] if column else None for column in columns]
    lines = [f"token {index + 1} of {len(response.tokens)}"]
    lines += [] if response.written[index] else ["written by a tool"]
    lines += [f"{name} {signed(v)}" for name, v in zip((TOTAL, *terms), values, strict=True) if v is not None]
    old, reference = response.old_log_probs[index], response.ref_log_probs[index]
    if old is not None:
        lines.append(f"old log-prob {signed(old)}")
    if reference is not None:
        lines.append(f"ref log-prob {signed(reference)}")
    text = safe(response.tokens[index])
    # A newline token must be seen, pointed at, and still break the line.
    text = text.replace("\n", tag("span", "\u23ce", class_="newline") + "\n") or "\u2205"
    return tag(
        "span",
        text,
        class_=f"token {level_class(level_of(values[0], scale))}",
        tabindex=0 if index == 0 else -1,
        data_tool=not response.written[index],
        title="\n".join(lines),
        data_v=" ".join(_compact(value) for value in values),
    )


def _compact(value: float | None) -> str:
    return "-" if value is None else format(value, ".4g")
