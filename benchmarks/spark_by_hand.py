"""Two shipped releases as one would write them for Spark by hand: what the generated texts are measured against.

Nothing here comes from a declaration or from the engine. All events of a person are brought to one partition once;
from there on, facts and margins need no further exchange but that of the finished counts.
"""

from __future__ import annotations

import csv
import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

TOTAL, UNKNOWN = "_T", "unknown"
HIERARCHY = Path(__file__).parents[1] / "policies" / "hierarchies" / "region.csv"
Files = Mapping[str, Sequence[Path]]


def web_audience(spark: Any, files: Files, first: int, past: int) -> pd.DataFrame:
    """Return visitors, page views and seconds by access source, browser and day, every margin.

    Of page views and seconds also the two largest contributions of single persons (`#1`, `#2`), 0 where there is none.
    """
    from pyspark.sql import functions as F  # noqa: N812, PLC0415 - its usual name; seconds to import

    names = ["access_source", "browser", "day"]
    seen = _events(spark, files["analytics"], first, past).select("p", *names, "seconds_on_page").repartition("p")
    facts = seen.groupBy("p", *names).agg(F.count("*").alias("page_views"), F.sum("seconds_on_page").alias("seconds"))
    kept = [[*one] for size in range(len(names) + 1) for one in itertools.combinations(names, size)]
    margins = F.array(
        *(
            F.struct(F.lit(i).alias("margin"), *((F.col(n) if n in one else F.lit(None)).alias(n) for n in names))
            for i, one in enumerate(kept)
        )
    )
    values = ["page_views", "seconds"]
    persons = facts.select("p", *values, F.explode(margins).alias("at")).select("p", *values, "at.*")
    persons = persons.groupBy("p", "margin", *names).agg(*(F.sum(value).alias(value) for value in values))
    largest = [F.max_by(value, value, 2).alias(f"{value}#") for value in values]
    sums = [F.sum(value).alias(value) for value in values]
    cells = persons.groupBy("margin", *names).agg(F.count("*").alias("visitors"), *sums, *largest).toArrow().to_pandas()
    for name in names:
        rolled = cells["margin"].map(lambda margin, name=name: name not in kept[margin])
        code = pd.to_datetime(cells[name], unit="D").dt.strftime("%Y-%m-%d") if name == "day" else cells[name]
        cells[name] = code.astype(object).mask(rolled, TOTAL)
    for value, place in itertools.product(values, (0, 1)):
        ordered = cells[f"{value}#"].map(lambda found, place=place: found[place] if len(found) > place else 0)
        cells[f"{value}#{place + 1}"] = ordered.fillna(0).astype("int64")
    return cells.drop(columns=["margin", *(f"{value}#" for value in values)]).fillna(0)


def monthly_audience(spark: Any, files: Files, first: int, past: int) -> pd.DataFrame:
    """Return subscribers, users and browsing persons by region, age band and service, every margin."""
    from pyspark.sql import functions as F  # noqa: N812, PLC0415 - its usual name; seconds to import

    subscribers, links, clicks = (
        _events(spark, files[name], first, past) for name in ("subscribers", "links", "clicks")
    )
    members = links.where("linked_p IS NOT NULL").groupBy("p").agg(F.min("linked_p").alias("member"), F.max("linked_p"))
    members = members.where("member = `max(linked_p)`").select("p", "member")

    def latest(column: str) -> Any:
        """The value of the latest day; what is unknown loses to any other."""
        order = F.struct((F.col(column) != UNKNOWN).alias("known"), "day", F.col(column).alias("value"))
        return F.max(order)["value"].alias(column)

    people = subscribers.groupBy("p").agg(latest("prefecture"), latest("age_band"))
    seen = [
        subscribers.select("p", F.lit("subscribers").alias("measure"), "service"),
        links.select(F.coalesce("linked_p", "p").alias("p"), F.lit("users").alias("measure"), "service"),
        clicks.select("p", "service").distinct().join(members, "p", "left")
        .select(F.coalesce("member", "p").alias("p"), F.lit("browsing_persons").alias("measure"), "service"),
    ]  # fmt: skip
    facts = seen[0].union(seen[1]).union(seen[2]).groupBy("p", "measure").agg(F.collect_set("service").alias("used"))
    rows = facts.join(people, "p", "left").select(
        "measure",
        F.coalesce("prefecture", F.lit(UNKNOWN)).alias("region"),
        F.coalesce("age_band", F.lit(UNKNOWN)).alias("age_band"),
        F.explode(F.array_append("used", F.lit(TOTAL))).alias("service"),
    )
    known = (F.col("measure") != "users") | ((F.col("region") != UNKNOWN) & (F.col("age_band") != UNKNOWN))
    counted = rows.where(known).groupBy("measure", "region", "age_band", "service").count().toArrow().to_pandas()
    keys = ["region", "age_band", "service"]
    fine = counted.pivot_table(index=keys, columns="measure", values="count", fill_value=0).reset_index()
    with HIERARCHY.open(encoding="utf-8") as lines:
        regions = dict(csv.reader(lines, delimiter=";"))
    by_region = [fine, fine.assign(region=fine["region"].map(regions)), fine.assign(region=TOTAL)]
    every = [*by_region, *(frame.assign(age_band=TOTAL) for frame in by_region)]
    return pd.concat(every).groupby(keys, as_index=False).sum()


BY_HAND: Mapping[str, Callable[[Any, Files, int, int], pd.DataFrame]] = {
    "web-audience": web_audience,
    "monthly-audience": monthly_audience,
}
"""One release with dimensions of events alone, one with dimensions of persons."""


def _events(spark: Any, files: Sequence[Path], first: int, past: int) -> Any:
    rows = spark.read.parquet(*[str(path) for path in files])
    return rows.where(f"p IS NOT NULL AND day >= {first} AND day < {past}")
