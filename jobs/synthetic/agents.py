"""User agents as browsers and crawlers send them."""

from __future__ import annotations

import re

import numpy as np

SAFARI = "AppleWebKit/605.1.15 (KHTML, like Gecko)"
BLINK = "AppleWebKit/537.36 (KHTML, like Gecko)"
PHONES = ("SM-S918B", "SM-A546E", "SO-51D", "SO-52C", "SH-51C", "SH-M24", "Pixel 8", "Pixel 7a", "F-51C", "KYG02")
CRAWLERS = (
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)",
    "Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)",
    "Mozilla/5.0 (compatible; Applebot/0.1; +http://www.apple.com/go/applebot)",
    "ICC-Crawler/3.0 (Mozilla-compatible; ; https://ucri.nict.go.jp/en/icccrawler.html)",
    "curl/8.5.0",
)


MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)"
WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64)"


def make_agents(rng: np.random.Generator) -> list[str]:
    """Return about 200 user agents, those of many people first."""
    agents = []
    for release in range(130, 122, -1):
        chrome, firefox = f"Chrome/{release}.0.0.0", f"rv:{release}.0) Gecko/20100101 Firefox/{release}.0"
        agents.append(f"{WINDOWS} {BLINK} {chrome} Safari/537.36")
        agents.append(f"{MAC} {BLINK} {chrome} Safari/537.36")
        agents.append(f"{WINDOWS} {BLINK} {chrome} Safari/537.36 Edg/{release}.0.0.0")
        agents.append(f"Mozilla/5.0 (Windows NT 10.0; Win64; x64; {firefox}")
        agents.append(f"Mozilla/5.0 (X11; Linux x86_64; {firefox}")
        agents += [
            f"Mozilla/5.0 (Linux; Android {14 - model % 4}; {phone}) {BLINK} {chrome} Mobile Safari/537.36"
            for model, phone in enumerate(PHONES)
        ]
    for major in (18, 17, 16):
        for minor in range(4):
            system, version = f"{major}_{minor} like Mac OS X", f"{SAFARI} Version/{major}.{minor}"
            phone = f"{version} Mobile/15E148 Safari/604.1"
            agents.append(f"Mozilla/5.0 (iPhone; CPU iPhone OS {system}) {phone}")
            agents.append(f"Mozilla/5.0 (iPad; CPU OS {system}) {phone}")
            agents.append(f"{MAC} {version} Safari/605.1.15")
    return [agents[i] for i in rng.permutation(len(agents))]


def browser_columns(agent: str) -> str:
    """Return browser and version as an analytics provider reports them, a tab between."""
    return _first(
        agent,
        (("Edge", r"Edg/([\d.]+)"), ("Firefox", r"Firefox/([\d.]+)"), ("Chrome", r"Chrome/([\d.]+)")),
        ("Safari", r"Version/([\d.]+)"),
    )


def system_columns(agent: str) -> str:
    """Return operating system and version as an analytics provider reports them, a tab between."""
    known = (("Android", r"Android ([\d.]+)"), ("Windows", r"Windows NT ([\d.]+)"), ("macOS", r"Mac OS X (10_[\d_]+)"))
    return _first(agent, (*known, ("Linux", r"(X11); Linux")), ("iOS", r"OS ([\d_]+) like"))


def _first(agent: str, known: tuple[tuple[str, str], ...], last: tuple[str, str]) -> str:
    for name, pattern in (*known, last):
        found = re.search(pattern, agent)
        if found is not None:
            return f"{name}\t{found.group(1)}"
    return "\t"
