"""User agents to browser, operating system and device families; crawlers are set apart.

Python works once a distinct user agent; a model's maker and family are SQL. Every family that leaves this module
stands in a closed list, so nothing that a client wrote into its user agent or model can pass.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import pyarrow as pa
from ua_parser import parse

from anonymization.deidentify.distinct import Distinct
from anonymization.policy.sources import UNKNOWN

BROWSERS = frozenset(
    (
        "AOL", "Amazon Silk", "Android", "Chrome", "Chrome Frame", "Chrome Mobile", "Chrome Mobile WebView",
        "Chrome Mobile iOS", "Chromium", "DuckDuckGo Mobile", "Edge", "Edge Mobile", "Epiphany", "Facebook",
        "Firefox", "Firefox Mobile", "Firefox iOS", "Google", "IE", "IE Mobile", "Iceweasel", "Instagram",
        "Konqueror", "LINE", "Line", "Maxthon", "Mobile Safari", "Mobile Safari UI/WKWebView", "Mosaic",
        "NetFront", "Netscape", "Opera", "Opera Mini", "Opera Mobile", "Pale Moon", "QQ Browser", "Safari",
        "Samsung Internet", "SeaMonkey", "Silk", "Sogou Explorer", "Twitter", "UC Browser", "Vivaldi",
        "Yahoo! Japan", "Yandex Browser",
    )
)  # fmt: skip
SYSTEMS = frozenset(
    (
        "Android", "BlackBerry OS", "Chrome OS", "Debian", "Fedora", "FreeBSD", "Linux", "Mac OS X", "Red Hat",
        "Solaris", "Symbian OS", "Tizen", "Ubuntu", "Windows", "Windows Phone", "iOS", "tvOS", "webOS",
    )
)  # fmt: skip
BRANDS = {
    "Amazon": "Amazon", "Asus": "Asus", "BlackBerry": "BlackBerry", "Fujitsu": "Fujitsu", "Google": "Google",
    "HTC": "HTC", "Huawei": "Huawei", "Kyocera": "Kyocera", "LG": "LG", "Lenovo": "Lenovo", "Motorola": "Motorola",
    "Nintendo": "Nintendo", "Nokia": "Nokia", "OPPO": "Oppo", "Oppo": "Oppo", "Panasonic": "Panasonic",
    "Samsung": "Samsung", "Sharp": "Sharp", "Sony": "Sony", "SonyEricsson": "Sony", "Xiaomi": "Xiaomi",
    "XiaoMi": "Xiaomi",
}  # fmt: skip
APPLE = {"iPhone": "iPhone", "iPad": "iPad", "iPod": "iPod", "Mac": "Mac"}
COMPUTERS = frozenset(("Windows", "Linux", "Ubuntu", "Debian", "Fedora", "FreeBSD", "Chrome OS", "Red Hat", "Solaris"))
OTHER = "other"

PROGRAM = re.compile(
    r"(?<!cu)bot\b|(?<!cu)bot/|crawl|spider|slurp|feed|rss|curl/|wget|python|java/|perl|ruby|go-http|httpclient|monitor"
    r"|validator|archiver|headless|scan|fetch|lighthouse|healthcheck|\+https?:",
    re.IGNORECASE,
)
"""Programs that fetch pages without a person in front, beyond those that ua-parser knows as spiders. Behind `+http`
most of them say who they are; CUBOT makes telephones."""
PRODUCT = re.compile(r"[A-Za-z][\w .-]*(/[\w.+-]+)?")
"""A name, and a version at most: browsers say in parentheses what they run on."""

SCHEMA = pa.schema(
    [
        ("user_agent", pa.string()),
        ("browser", pa.string()),
        ("os", pa.string()),
        ("device", pa.string()),
        ("crawler", pa.bool_()),
    ]
)
Families = tuple[str, str, str, bool]


def families(user_agent: str) -> Families:
    """Return browser, operating system and device family, and whether a crawler sent it.

    Families are ua-parser's names where they stand in the closed lists of this module, else `other`.
    """
    result = parse(user_agent[:1024])
    browser = result.user_agent.family if result.user_agent else ""
    system = result.os.family if result.os else ""
    family = (result.device.family if result.device else None) or ""
    brand = (result.device.brand if result.device else None) or ""
    bare = not system and browser not in BROWSERS and PRODUCT.fullmatch(user_agent) is not None
    crawler = "Spider" in (brand, family) or bare or PROGRAM.search(user_agent) is not None
    apple = next((name for start, name in APPLE.items() if family.startswith(start)), None)
    device = apple or BRANDS.get(brand) or ("computer" if system in COMPUTERS else OTHER)
    return (
        browser if browser in BROWSERS else OTHER,
        system if system in SYSTEMS else OTHER,
        device,
        crawler,
    )


class DeviceFamilies:
    """Families of user agents, each parsed once a run however many files hold it."""

    schema = SCHEMA

    def __init__(self) -> None:
        self._distinct = Distinct(families)

    def relation(self, user_agents: Iterable[str]) -> pa.Table:
        """Return one row a distinct user agent, in the columns of `SCHEMA`."""
        agents = list(user_agents)
        rows = self._distinct.of(agents)
        columns = list(zip(*rows, strict=True)) if rows else [(), (), (), ()]
        return pa.table([agents, *map(list, columns)], schema=SCHEMA)


MODELS = (
    ("^iPhone", "Apple", "iPhone"), ("^iPad", "Apple", "iPad"), ("^iPod", "Apple", "iPod"), ("^Mac", "Apple", "Mac"),
    ("^SM-[SG][0-9]", "Samsung", "Galaxy S"), ("^SM-A[0-9]", "Samsung", "Galaxy A"),
    ("^(SM|SC|SCG)-?[0-9A-Z]", "Samsung", "Galaxy"),
    ("^(SO|SOG|XQ)-?[0-9A-Z]", "Sony", "Xperia"), ("^(SH|SHG|A[0-9]{3}SH)-?[0-9A-Z]*", "Sharp", "AQUOS"),
    ("^Pixel", "Google", "Pixel"), ("^(F|FCG)-?[0-9]{2}", "Fujitsu", "arrows"),
    ("^(KY|KYG|KYV|KYF)", "Kyocera", "Kyocera"),
    ("^(Redmi|Mi |POCO|M20|22[0-9]{6})", "Xiaomi", "Xiaomi"), ("^(CPH|OPG|A[0-9]{3}OP)", "Oppo", "OPPO"),
)  # fmt: skip
"""Model names as terminals give them: a pattern, the maker, the family; the first that fits counts."""


def maker_and_family(model: str) -> tuple[str, str]:
    """Return the SQL of a model's maker and family, of the closed lists in `MODELS`, else `other`."""

    def of(position: int) -> str:
        cases = " ".join(f"WHEN regexp_matches({model}, '{row[0]}') THEN '{row[position]}'" for row in MODELS)
        return f"CASE WHEN {model} IS NULL THEN '{UNKNOWN}' {cases} ELSE '{OTHER}' END"

    return of(1), of(2)
