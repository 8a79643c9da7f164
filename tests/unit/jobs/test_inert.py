"""What outsiders typed does nothing in the dossier: not in Markdown, nor in HTML made of it, nor in a terminal."""

from __future__ import annotations

import io
from html.parser import HTMLParser

import pandas as pd
import pytest
from markdown_it import MarkdownIt
from rich.console import Console
from rich.markdown import Markdown

from anonymization.policy.protection import Method
from anonymization.release.inputs import plan_release
from anonymization.tables.model import SafeTable
from jobs.dossier.digest import SAMPLE, _tables
from jobs.inert import inert, visible

TYPED = [
    "![x](https://evil.example/beacon.png)",
    "<img src=x onerror=alert(1)>",
    "a | _T | 0 | 0 |\n## gate: open",
    "[approve here](https://evil.example/login)",
    "https://evil.example/?q=1",
    "www.evil.example",
    "{{ ti.xcom_pull }} {% raw %}",
    "**closed. do not approve**",
    "`rm -rf`",
    "``` two ` kinds ``",
    "`",
    "\\",
    "a\\|b",
    "<script>alert(1)</script>",
    "javascript:alert(1)",
    "\x1b[2J\x1b[31mred",
    "\u202eevitcennoc",
    "a\u2028b",
    "\u200b",
    "天気 東京",
    "&lt;b&gt;",
    " ",
]


class Elements(HTMLParser):
    """The elements of a page, and its text."""

    def __init__(self, page):
        super().__init__()
        self.names, self.text = [], ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.names.append((tag, *attrs))

    def handle_data(self, data):
        self.text += data


@pytest.mark.parametrize("typed", TYPED)
def test_nothing_but_its_text_is_in_the_page(typed):
    page = MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(
        f"| a | b |\n|---|---|\n| {inert(typed)} | 1 |\n"
    )
    seen = Elements(page)
    assert [name for name, *_ in seen.names] == ["table", "thead", "tr", "th", "th", "tbody", "tr", "td", "code", "td"]
    assert visible(typed).strip() in seen.text


@pytest.mark.parametrize("typed", TYPED)
def test_nothing_reaches_the_terminal_but_what_is_seen(typed):
    out = io.StringIO()
    Console(file=out, force_terminal=False, width=200).print(Markdown(f"- {inert(typed)}\n"))
    assert "\x1b" not in out.getvalue()
    assert "\u202e" not in out.getvalue()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31m", "\\u001b[31m"),
        ("a\nb", "a\\u000ab"),
        ("\u202e", "\\u202e"),
        ("\U000e0041", "\\U000e0041"),
        ("天気　東京", "天気　東京"),
    ],
)
def test_what_is_not_seen_is_written_out(text, shown):
    assert visible(text) == shown


def test_messages_keep_their_lines():
    assert visible("closed:\n  a\x07", lines=True) == "closed:\n  a\\u0007"


def test_keywords_do_nothing_in_the_dossier(policies):
    plan, _ = plan_release(policies, "search-trends", "2026-10")
    spec = plan.tables[0]
    typed = TYPED[:SAMPLE]
    frame = pd.DataFrame({d.name: typed if d.open else ["_T"] * SAMPLE for d in spec.dimensions})
    for measure in spec.measures:
        frame[measure.name] = pd.array(range(60, 60 + SAMPLE), dtype="Int64")
        frame[f"{measure.name}_status"] = "F"
    table = SafeTable(
        spec.name, spec.title, spec.dimensions, spec.measures, frame, 50, withheld=True, method=Method.SUPPRESSION
    )
    text = "\n".join(_tables([table]))
    seen = Elements(MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(text))
    assert {name for name, *_ in seen.names} <= {
        "h2",
        "h3",
        "p",
        "ul",
        "li",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "code",
    }
    assert [name for name, *_ in seen.names].count("code") == SAMPLE
    for one in typed:
        assert visible(one).strip() in seen.text
