"""Search keywords as people type them: popular ones often, in several spellings, and now and then personal data."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa
from faker import Faker

from jobs.synthetic.traffic import World, joined, seconds, zipf

TOPICS = (
    "天気", "ニュース", "翻訳", "地図", "YouTube", "乗換案内", "ランチ", "映画", "レシピ", "求人", "株価", "野球",
    "占い", "ホテル", "美術館", "カフェ", "病院", "図書館", "花火大会", "紅葉", "温泉", "ラーメン", "不動産",
    "バイト", "英会話", "ヨガ", "駐車場", "歯医者", "美容院",
    "引っ越し", "保育園", "水族館", "動物園", "プール", "スキー",
    "キャンプ", "自転車", "中古車", "電気料金", "家電",
)  # fmt: skip
PLACES = (
    "", "東京", "大阪", "渋谷", "新宿", "横浜", "京都", "福岡", "札幌", "名古屋", "神戸", "仙台", "広島", "池袋",
    "上野", "梅田", "奈良", "金沢", "沖縄", "千葉", "埼玉", "川崎", "静岡", "岡山", "熊本",
)  # fmt: skip
SEASONAL = ("ハロウィン 仮装", 20)
"""A keyword of the month's end: from this day on it is searched as much as the most popular one."""
CATEGORIES = ("web", "image", "shopping", "map", "video")
PERSONAL_SHARE, SEASONAL_SHARE, WIDE_SHARE, POOL = 0.003, 0.06, 0.1, 400
FULL_WIDTH = str.maketrans({chr(c): chr(c + 0xFEE0) for c in range(0x21, 0x7F)} | {" ": "　"})


@dataclass(frozen=True)
class Searching:
    """What people search for.

    Attributes:
        keywords: by popularity, in two spellings: as they are, and full-width in another case.
        personal: texts with personal data of people who do not exist.
    """

    keywords: pa.Array
    count: int
    personal: pa.Array


def make_searching(rng: np.random.Generator, seed: int) -> Searching:
    """Return keywords, and texts with names, addresses, telephone numbers, mails and card numbers."""
    pairs = [f"{place} {topic}".strip() for place in PLACES for topic in TOPICS]
    words = [
        SEASONAL[0],
        *pairs[: len(TOPICS)],
        *[pairs[i] for i in len(TOPICS) + rng.permutation(len(pairs) - len(TOPICS))],
    ]
    wide = [word.upper().translate(FULL_WIDTH) for word in words]
    fake = Faker("ja_JP")
    fake.seed_instance(seed)
    kinds = (
        lambda: f"{fake.last_name()}{fake.first_name()}",
        lambda: f"{fake.last_name()} {fake.first_name()} 住所",
        lambda: fake.phone_number().translate(FULL_WIDTH),
        fake.ascii_safe_email,
        lambda: f"{fake.city()}{fake.town()}{fake.chome()}{fake.ban()}{fake.gou()}",
        lambda: fake.credit_card_number("visa16"),
    )
    personal = [kinds[n % len(kinds)]() for n in range(POOL)]
    return Searching(pa.array([*words, *wide]), len(words), pa.array(personal))


def search_lines(
    rng: np.random.Generator, world: World, searching: Searching, day: date, number: int
) -> tuple[list[str], int]:
    """Return the search log's tab-separated lines, header first, and the number of those with personal data."""
    people, text = world.people, world.texts
    person = people.draw(rng, number)
    word = 1 + zipf(rng, number, searching.count - 1)
    season = (day.day >= SEASONAL[1]) & (rng.random(number) < SEASONAL_SHARE)
    word = np.where(season, 0, word) + np.where(rng.random(number) < WIDE_SHARE, searching.count, 0)
    personal = rng.random(number) < PERSONAL_SHARE
    chosen = np.where(personal, 2 * searching.count + rng.integers(0, len(searching.personal), number), word)
    queries = pa.concat_arrays([searching.keywords, searching.personal]).take(pa.array(chosen))
    lines = joined(
        f"{day}T", world.clock.take(seconds(rng, number)), "+09:00\t",
        text["cookie"].take(people.cookie_of(rng, person)), "\t", queries, "\t",
        pa.array(CATEGORIES).take(pa.array(rng.choice(5, number, p=[0.6, 0.2, 0.1, 0.07, 0.03]))),
        "\t10",
    )  # fmt: skip
    header = "time cookie_id query category results".replace(" ", "\t")
    return [header, *lines.to_pylist()], int(personal.sum())
