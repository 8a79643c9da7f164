"""Places: addresses to prefectures, coordinates to the JIS mesh."""

from __future__ import annotations

PREFECTURES = (
    "北海道", "青森県", "岩手県", "宮城県", "秋田県", "山形県", "福島県", "茨城県", "栃木県", "群馬県",
    "埼玉県", "千葉県",
    "東京都", "神奈川県", "新潟県", "富山県", "石川県", "福井県", "山梨県", "長野県", "岐阜県", "静岡県", "愛知県",
    "三重県", "滋賀県", "京都府", "大阪府", "兵庫県", "奈良県", "和歌山県", "鳥取県", "島根県", "岡山県", "広島県",
    "山口県", "徳島県", "香川県", "愛媛県", "高知県", "福岡県", "佐賀県", "長崎県", "熊本県", "大分県", "宮崎県",
    "鹿児島県", "沖縄県",
)  # fmt: skip
"""Prefectures in the order of JIS X 0401: the first has code 01."""

SPACES = " 　\u00a0\u2000-\u200b\u202f\u205f\ufeff\t"
DASHES = "－\u2010-\u2015\u2212\u30fc\uff70\u2043\ufe58\ufe63\u207b\u208b\u02d7\u2500\u2501\uff5e\u301c~\u00ad"
"""What keyboards, editors and conversions write for the dash of a postal code, and for the space behind it."""

LATITUDES = (20, 46)
LONGITUDES = (122, 154)
"""Where the JIS mesh (X 0410) is defined here: Japan's islands, whole degrees."""


def prefecture_of(address: str) -> str:
    """Return the SQL of an address's prefecture code, null where it names none at its start.

    A postal code may stand before the prefecture. `address` is a SQL expression of type VARCHAR.
    """
    names = "|".join(PREFECTURES)
    found = f"regexp_extract({address}, '^[〒〶T0-9０-９{SPACES}{DASHES}-]*({names})', 1)"
    cases = " ".join(f"WHEN '{name}' THEN '{code:02d}'" for code, name in enumerate(PREFECTURES, start=1))
    return f"CASE {found} {cases} END"


def outside_mesh(latitude: str, longitude: str) -> str:
    """Return the SQL condition that a coordinate lies where no mesh is defined."""
    low, high = LATITUDES
    west, east = LONGITUDES
    return (
        f"{latitude} < {low} OR {latitude} >= {high} OR {longitude} < {west} OR {longitude} >= {east}"
        f" OR {latitude} IS NULL OR {longitude} IS NULL"
    )
