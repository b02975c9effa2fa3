"""How the lines of a figure are told apart: by color, and by dash or by the shape of their marks.

Eight colors after Okabe and Ito, moved until each stands out from the paper (3:1 and more) and from the other seven
also for eyes that lack a kind of cone, on light and on dark paper. One source for the page and for the image files.
"""

from dataclasses import dataclass

LIGHT_PAPER = "#fcfcfb"
DARK_PAPER = "#14161a"


@dataclass(frozen=True, slots=True)
class Look:
    """One of the eight.

    Attributes:
        light: color on light paper.
        dark: color on dark paper.
        dash: lengths of strokes and gaps in pixels; empty for an unbroken line.
        marker: matplotlib's name of the mark.
        outline: the same mark as an SVG path around the origin, some 8 pixels wide.
    """

    light: str
    dark: str
    dash: tuple[float, ...]
    marker: str
    outline: str


LOOKS = (
    Look("#0136b1", "#7ba4ec", (), "o", "M-3.5 0A3.5 3.5 0 1 0 3.5 0A3.5 3.5 0 1 0-3.5 0Z"),
    Look("#b83008", "#da7b2d", (7, 5), "s", "M-3.2-3.2H3.2V3.2H-3.2Z"),
    Look("#007568", "#47d9a0", (1.5, 5), "^", "M0-4.2L4.1 3.2H-4.1Z"),
    Look("#750a6c", "#9a5bfa", (9, 4, 1.5, 4), "D", "M0-4.4L4.4 0L0 4.4L-4.4 0Z"),
    Look("#2f2f1e", "#e0eafd", (22, 4), "v", "M0 4.2L4.1-3.2H-4.1Z"),
    Look("#0791fe", "#1f74b8", (3, 3.5), "P", "M-1.5-4.2H1.5V-1.5H4.2V1.5H1.5V4.2H-1.5V1.5H-4.2V-1.5H-1.5Z"),
    Look("#ea42b9", "#d0246a", (12, 3, 3, 3, 3, 3), "p", "M0-4.3L4.1-1.3L2.5 3.5H-2.5L-4.1-1.3Z"),
    Look("#a68e05", "#ffdb08", (4, 9), "h", "M0-4.3L3.7-2.1V2.1L0 4.3L-3.7 2.1V-2.1Z"),
)


def look_rules() -> str:
    """The looks as style rules: colors as variables, and one class a look."""
    light = " ".join(f"--c{index}: {look.light};" for index, look in enumerate(LOOKS))
    dark = " ".join(f"--c{index}: {look.dark};" for index, look in enumerate(LOOKS))
    rules = [f":root {{ {light} }}", f"@media (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}"]
    for index, look in enumerate(LOOKS):
        rules.append(f".look{index} {{ stroke: var(--c{index}); }}")
        rules.append(f".dot.look{index}, .band.look{index} {{ fill: var(--c{index}); }}")
        if look.dash:
            dash = " ".join(f"{length:g}" for length in look.dash)
            rules.append(f".strong.look{index}:not(.marked) {{ stroke-dasharray: {dash}; }}")
    rules.append(".dot { stroke: var(--paper); } .band { stroke: none; }")
    return "\n".join(rules) + "\n"
