"""One response as a stave: the truths and below them every method, token under token.

Each strip holds the same text in the same type, so that its tokens stand under those of the strip above; a response
that is longer than a line goes on in the next band. The numbers of a strip are attributes of it, one list a quantity:
without a script the page shows the totals, each method on its own scale, and with one any term and one scale for all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from spro.report.microscope_folder import Method, Microscope, Numbers, Sample, Truth
from spro.report.text import DOT, exact, one_line, safe, tag
from spro.report.tokens import MARKS, TOTAL, level_class, level_of, scale_of

BAND = 101.0
"""Widths of a character that fit beside the names on a desktop."""
PADDING, NARROWEST = 0.67, 2.1
"""What a token takes beside its characters, and the least that it takes; as ``microscope.css`` has them."""
WHOLE, HEAD, TAIL, AROUND = 400, 160, 60, 60
"""Tokens of a response that is shown whole; of a longer one its first, its last, and those about the place to see."""
MOST_TOKENS = 60_000
"""Of all strips of a page, which keeps it below 5 MB."""
EXACT_SCALE = 1.0


@dataclass(frozen=True)
class Scales:
    """Where the strongest colour begins.

    Attributes:
        own: by method and quantity.
        common: by quantity, for all methods.
        truths: by name of the truth.
    """

    own: Mapping[str, Mapping[str, float]]
    common: Mapping[str, float]
    truths: Mapping[str, float]


def quantities(methods: Sequence[Method]) -> list[str]:
    """The total, and every term of some method."""
    return list(dict.fromkeys([TOTAL, *(term for method in methods for term in method.terms)]))


def pick_samples(microscope: Microscope) -> list[Sample]:
    """The first ones, as many as were asked for and as fit on a page; one at least."""
    strips = len(microscope.methods) + len(microscope.truths)
    picked: list[Sample] = []
    left = MOST_TOKENS
    for sample in microscope.samples[: microscope.facts.shown]:
        left -= strips * len(_places(sample))
        if picked and left < 0:
            break
        picked.append(sample)
    return picked


def find_scales(microscope: Microscope, samples: Sequence[Sample]) -> Scales:
    """Of the shown responses, so that all of them can be compared by eye."""

    def scale(name: str, quantity: str) -> float:
        return scale_of([sample.said[name].get(quantity, ()) for sample in samples if name in sample.said])

    names, wanted = [method.name for method in microscope.methods], quantities(microscope.methods)
    own = {name: {quantity: scale(name, quantity) for quantity in wanted} for name in names}
    common = {
        quantity: scale_of([s.said[name].get(quantity, ()) for s in samples for name in names if name in s.said])
        for quantity in wanted
    }
    truths = {
        truth.name: scale_of([sample.truths.get(truth.name, ()) for sample in samples])
        if any(truth.name in sample.errors for sample in samples)
        else EXACT_SCALE
        for truth in microscope.truths
    }
    return Scales(own, common, truths)


def render_sample(sample: Sample, number: int, microscope: Microscope, scales: Scales) -> str:
    """One response; ``number`` counts from 1."""
    status = sample.status.replace("_", " ") or "no verdict"
    badge = tag("span", safe(f"{MARKS.get(sample.status, '?')} {status}"), class_="badge", data_status=sample.status)
    facts = [f"expected {tag('code', safe(sample.ground_truth))}"]
    facts += [f"answer {tag('code', safe(sample.extracted))}"] if sample.extracted else []
    facts.append(f"{len(sample.tokens):,} tokens")
    facts += [f"ended by {safe(sample.finish_reason)}"] if sample.finish_reason != "stop" else []
    facts.append(f"apart by {safe(exact(round(sample.score, 2)))}")
    facts += ["right by luck, it was wrong in between"] if _is_lucky(sample) else []
    scrolls = len(sample.prompt) > 400 or sample.prompt.count("\n") > 6
    prompt = tag(
        "pre", safe(sample.prompt), class_="prompt", tabindex=0 if scrolls else None, role="region", aria_label="Prompt"
    )
    head = tag("h3", f"{tag('span', str(number), class_='rank')}{safe(sample.problem_id)}") + prompt
    head += tag("p", " ".join((badge, DOT.join(facts))), class_="verdict")
    head += tag("p", safe(one_line(sample.sentence)), class_="see") if sample.sentence else ""
    places = _places(sample)
    bands = "".join(_band(sample, band, microscope, scales) for band in _bands(sample, places))
    label = f"Response {number}, {status}, {len(places)} tokens; arrow keys move along tokens and between methods"
    stave = tag("div", bands, class_="stave", role="group", aria_label=label)
    left = len(sample.tokens) - len(places)
    more = tag("p", f"{left:,} tokens in between are left out.", class_="facts") if left else ""
    return tag("article", head + stave + more, class_="sample", id=f"r{number}")


def _is_lucky(sample: Sample) -> bool:
    """Whether an exact truth says of a right response that it had gone wrong."""
    exact_ones = [values for name, values in sample.truths.items() if name not in sample.errors]
    return sample.status == "correct" and any((value or 0.0) < 0 for values in exact_ones for value in values)


def _places(sample: Sample) -> list[int]:
    """Tokens that are shown."""
    size = len(sample.tokens)
    if size <= WHOLE:
        return list(range(size))
    at = sample.token if sample.token is not None else 0
    shown = {*range(HEAD), *range(size - TAIL, size), *range(max(0, at - AROUND), min(size, at + AROUND + 1))}
    return sorted(shown)


def _bands(sample: Sample, places: Sequence[int]) -> list[list[int]]:
    """Places cut into lines; a gap cuts too."""
    bands: list[list[int]] = [[]]
    width = 0.0
    for place in places:
        size = max(len(_glyphs(sample.tokens[place])) + PADDING, NARROWEST)
        is_gap = bool(bands[-1]) and place != bands[-1][-1] + 1
        if bands[-1] and (width + size > BAND or is_gap):
            bands.append([])
            width = 0.0
        bands[-1].append(place)
        width += size
    return bands


def _band(sample: Sample, places: Sequence[int], microscope: Microscope, scales: Scales) -> str:
    strips = []
    for truth in microscope.truths:
        strips.append(_truth_strip(sample, truth, places, scales))
    for index, method in enumerate(microscope.methods):
        strips.append(_method_strip(sample, method, index, places, scales))
    attributes: dict[str, str | float] = {
        "data_n": " ".join(str(place + 1) for place in places),
        "data_of": len(sample.tokens),
        "data_old": _listed(sample.old_log_probs, places),
        "data_ref": _listed(sample.ref_log_probs, places),
    }
    return tag("div", "".join(strips), class_="staff", **attributes)


def _truth_strip(sample: Sample, truth: Truth, places: Sequence[int], scales: Scales) -> str:
    values, errors = sample.truths.get(truth.name, ()), sample.errors.get(truth.name)
    levels = [level_of(values[place], scales.truths[truth.name]) if values else 0 for place in places]
    return tag(
        "div",
        tag("span", safe(_short_title(truth.title)), class_="who") + _line(sample, places, levels),
        class_="strip truth",
        data_name=truth.title,
        data_q0=_listed(values, places),
        data_errors=None if errors is None else _listed(errors, places),
    )


def _short_title(title: str) -> str:
    return title.replace(" continuations a state", " continued") if len(title) > 22 else title


def _method_strip(sample: Sample, method: Method, index: int, places: Sequence[int], scales: Scales) -> str:
    said = sample.said.get(method.name, {})
    total = said.get(TOTAL, ())
    levels = [level_of(total[place], scales.own[method.name][TOTAL]) if total else 0 for place in places]
    lists = {
        f"data_q{number}": _listed(said[quantity], places)
        for number, quantity in enumerate(_all_quantities(scales))
        if quantity in said
    }
    return tag(
        "div",
        tag("span", tag("span", breakable(method.name)), class_="who") + _line(sample, places, levels),
        class_=f"strip m{index}",
        data_m=index,
        data_name=method.name,
        **lists,
    )


def breakable(name: str) -> str:
    """A name that a narrow column may break behind an underscore."""
    *parts, last = name.split("_")
    return "".join(tag("span", safe(part), class_="part") for part in (*(f"{part}_" for part in parts), last))


def _all_quantities(scales: Scales) -> list[str]:
    return list(scales.common)


def _line(sample: Sample, places: Sequence[int], levels: Sequence[int]) -> str:
    tokens = []
    for place, level in zip(places, levels, strict=True):
        kind = f"t {level_class(level)}" + (" mark" if place == sample.token else "")
        kind += "" if sample.written[place] else " tool"
        tokens.append(f'<i class="{kind}">{safe(_glyphs(sample.tokens[place]))}</i>')
    return tag("span", "".join(tokens), class_="glyphs")


def _glyphs(token: str) -> str:
    """A token that stays on its line and can be seen."""
    return one_line(token) or "\u2205"


def _listed(values: Numbers, places: Sequence[int]) -> str:
    found = [values[place] if values else None for place in places]
    return " ".join("-" if value is None else format(value, ".3g") for value in found)
