"""How a plot is drawn: an axes in, an SVG element out that belongs into a page and takes its colours from it.

matplotlib draws; it is loaded where a page is made. Its file names outside addresses (a document type, namespaces,
metadata), which a page needs not, and colours of one scheme: both are replaced.
"""

from __future__ import annotations

import hashlib
import io
import logging
import re
import warnings
from collections.abc import Callable
from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt

INK, LINE, HIDDEN, ACCENT, PAPER = "#0b0b01", "#0b0b02", "#0b0b03", "#0b0b04", "#0b0b05"
"""Colours that nothing else has: each stands for one of the page."""
OF_PAGE = {
    INK: "currentColor", LINE: "var(--line)", HIDDEN: "var(--hidden)", ACCENT: "var(--accent)", PAPER: "var(--paper)"
}  # fmt: skip
SCALE = ("#fff7bc", "#fec44f", "#fe9929", "#d95f0e", "#8c2d04", "#4a1500")
"""From few to many; told apart by lightness alone, too (ColorBrewer YlOrBr)."""
WIDTH = 6.2
POINT = 4 / 3
"""Of a point, in pixels of a page."""
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none", "svg.hashsalt": "noren", "text.parse_math": False, "font.family": "DejaVu Sans",
    "font.size": 9, "text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": LINE, "xtick.color": INK,
    "ytick.color": INK, "axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False,
    "figure.facecolor": "none", "axes.facecolor": "none",
}  # fmt: skip


def svg(draw: Callable[[Any], None], title: str, told: str, *, height: float) -> str:
    """Return a plot as an `svg` element with a title and a description, whose ids no other plot has.

    Args:
        draw: draws into an axes.
        title: what it shows.
        told: the same in more words, for who does not see it.
        height: in inches; the width is `WIDTH`.
    """
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # where it keeps its list of fonts is nobody's affair
    import matplotlib as mpl  # noqa: PLC0415 - a third of a second that only a page needs
    from matplotlib.figure import Figure  # noqa: PLC0415

    with mpl.rc_context(STYLE), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a letter that its own font lacks; the reader's browser has others
        figure = Figure(figsize=(WIDTH, height))
        draw(figure.add_subplot())
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", bbox_inches="tight", pad_inches=0.04, metadata={"Date": None})
    return _inline(buffer.getvalue(), title, told)


def _inline(text: str, title: str, told: str) -> str:
    """Take out of a file what belongs to a file: what is left names nothing outside, and has ids of its own."""
    box = re.search(r'viewBox="([^"]*)"', text)
    body = text[text.index(">", text.index("<svg")) + 1 : text.rindex("</svg>")]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = body.replace("xlink:href", "href")
    own = hashlib.sha256(f"{title}\0{told}".encode()).hexdigest()[:8]
    named = set(re.findall(r'(?:url\(#|href="#)([^")]+)', body))

    def renamed(match: re.Match[str]) -> str:
        return f' id="{own}-{match[1]}"' if match[1] in named else ""

    body = re.sub(r' id="([^"]*)"', renamed, body)
    body = re.sub(r'(url\(#|href="#)', rf"\g<1>{own}-", body)
    body = re.sub(r"<style[^>]*>.*?</style>", "", body, flags=re.DOTALL)
    body = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font-size: \1px", body)
    for colour, of_page in OF_PAGE.items():
        body = body.replace(colour, of_page)
    size = box[1] if box else "0 0 1 1"
    wide = float(size.split()[2]) * POINT
    inside = f"<title>{escape(title)}</title><desc>{escape(told)}</desc>"
    name = escape(f"{title}. {told}")
    head = f'<svg role="img" aria-label="{name}" viewBox="{size}" style="max-width: {wide:.0f}px">'
    return f"{head}{inside}{body.strip()}</svg>"


def classes(values: npt.NDArray[np.float64]) -> list[float]:
    """Return the lower bounds of at most as many classes as there are colours, each a number that is easily read."""
    shown = values[~np.isnan(values)]
    shown = shown[shown > 0]
    if not len(shown):
        return [0.0]
    steps = np.geomspace(shown.min(), shown.max(), len(SCALE) + 1)[:-1]
    round_to = 10.0 ** np.floor(np.log10(np.maximum(steps, 1)))
    bounds = np.unique(np.floor(steps / round_to * 2) / 2 * round_to).tolist()
    return [0.0, *bounds[1:]] if np.nanmin(values) <= 0 else list(bounds)


def colours(values: npt.NDArray[np.float64], bounds: list[float]) -> Any:
    """Return the colour of each value, in their shape; empty where one is NaN."""
    at = np.searchsorted(bounds, np.nan_to_num(values), side="right") - 1
    return np.where(np.isnan(values), "", np.array(SCALE)[np.clip(at, 0, len(SCALE) - 1)])


def key(axes: Any, bounds: list[float], *, hidden: bool) -> None:
    """Say beside a plot which colour is of which values."""
    from matplotlib.patches import Patch  # noqa: PLC0415 - see `svg`

    said = [(SCALE[n], f"{low:,.0f}+") for n, low in enumerate(bounds)]
    said += [(HIDDEN, "hidden or not listed")] if hidden else []
    patches = [Patch(facecolor=face, edgecolor=LINE, linewidth=0.4, label=text) for face, text in said]
    axes.legend(handles=patches, loc="upper left", bbox_to_anchor=(1.01, 1), borderaxespad=0, fontsize=8)
