"""User agents become families of a closed list; programs are set apart."""

from __future__ import annotations

import pytest
import yaml

from anonymization.deidentify.devices import APPLE, BRANDS, BROWSERS, OTHER, SYSTEMS, DeviceFamilies, families

WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)"


@pytest.mark.parametrize(
    ("agent", "expected"),
    [
        pytest.param(
            f"{WINDOWS} Chrome/130.0.0.0 Safari/537.36", ("Chrome", "Windows", "computer", False), id="desktop"
        ),
        pytest.param(
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
            " Version/18.1 Mobile/15E148 Safari/604.1",
            ("Mobile Safari", "iOS", "iPhone", False),
            id="phone",
        ),
        pytest.param(
            "Mozilla/5.0 (Linux; Android 14; SM-S918B) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0"
            " Mobile Safari/537.36",
            ("Chrome Mobile", "Android", "Samsung", False),
            id="android",
        ),
        pytest.param(
            "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
            (OTHER, OTHER, OTHER, True),
            id="crawler known to ua-parser",
        ),
        pytest.param("Tiny Tiny RSS/1.11 (http://tt-rss.org/)", (OTHER, OTHER, OTHER, True), id="feed reader"),
        pytest.param("curl/8.5.0", (OTHER, OTHER, OTHER, True), id="program"),
        pytest.param("", (OTHER, OTHER, OTHER, False), id="empty"),
        pytest.param("taro@example.com 490154203237518", (OTHER, OTHER, OTHER, False), id="personal data"),
        pytest.param(
            "Mozilla/5.0 (Linux; Android 12; CUBOT P50) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Mobile Safari/537.36",
            ("Chrome Mobile", "Android", OTHER, False),
            id="CUBOT is a maker",
        ),
        pytest.param(
            "Mozilla/5.0 (Linux; Android 8.1.0; CUBOT) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/88.0 Mobile Safari/537.36",
            ("Chrome", "Android", OTHER, False),
            id="CUBOT alone",
        ),
        pytest.param("MyApp-taro@example.com/1.0 (490154203237518)", (OTHER, OTHER, OTHER, False), id="app with mail"),
    ],
)
def test_families(agent, expected):
    assert families(agent) == expected


@pytest.mark.parametrize("agent", [
    "meta-externalagent/1.1", "GoogleOther", "Mediapartners-Google", "Google-Read-Aloud", "ELB-HealthChecker/2.0", "kube-probe/1.29",
    "Mozilla/5.0 AppleWebKit/537.36 Chrome-Lighthouse", "Amazon CloudFront", "axios/1.6.8", "HTTrack", "node", "okhttp/4.9.3",
    "Mozilla/5.0 (compatible; Anything/1.0; +https://example.org/why)", "Mozilla/5.0 (compatible; Googlebot/2.1)", "CUBot/1.0 crawler",
])  # fmt: skip
def test_programs_are_crawlers(agent):
    assert families(agent)[3]


def test_only_closed_lists_leave(real_data):
    cases = yaml.safe_load((real_data / "useragents" / "test_ua.yaml").read_text(encoding="utf-8"))["test_cases"]
    devices = {*APPLE.values(), *BRANDS.values(), "computer", OTHER}
    for case in cases:
        browser, system, device, _ = families(case["user_agent_string"])
        assert browser in BROWSERS | {OTHER}
        assert system in SYSTEMS | {OTHER}
        assert device in devices


@pytest.mark.parametrize(
    ("file", "position", "listed"),
    [pytest.param("test_ua.yaml", 0, BROWSERS, id="browser"), pytest.param("test_os.yaml", 1, SYSTEMS, id="system")],
)
def test_families_of_real_user_agents(real_data, file, position, listed):
    cases = yaml.safe_load((real_data / "useragents" / file).read_text(encoding="utf-8"))["test_cases"]
    wrong = [
        case["family"]
        for case in cases
        if families(case["user_agent_string"])[position] != (case["family"] if case["family"] in listed else OTHER)
    ]
    assert wrong == []


def test_the_relation_has_a_row_for_each_agent():
    table = DeviceFamilies().relation(["curl/8.5.0", ""])
    assert table.to_pylist() == [
        {"user_agent": "curl/8.5.0", "browser": OTHER, "os": OTHER, "device": OTHER, "crawler": True},
        {"user_agent": "", "browser": OTHER, "os": OTHER, "device": OTHER, "crawler": False},
    ]
    assert DeviceFamilies().relation([]).num_rows == 0
