"""Portable SQL: one text, checked against an allow-list, rendered for each engine.

The list holds what was seen to give equal results on DuckDB and Spark (`tests/parity` shows each entry).
What stands outside, however useful, is an error that names it: a silent difference between engines would
end in two packages. Functions that the engines spell differently are intrinsics (`intrinsics.py`).
"""

from __future__ import annotations

from functools import lru_cache

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError, TokenError

from anonymization.engine.intrinsics import expand_intrinsic
from anonymization.errors import SqlError

CONSTRUCTS = frozenset(
    (
        "Add", "Alias", "And", "Anonymous", "Between", "BitwiseAnd", "BitwiseOr", "Boolean",
        "Case", "Cast", "Coalesce", "Column", "Count", "CTE", "DataType", "Distinct", "DPipe", "EQ",
        "Filter", "From", "Group", "GroupingId", "GroupingSets", "GT", "GTE", "Having", "Identifier",
        "If", "In", "Is", "Join", "Length", "Literal", "Lower", "LT", "LTE", "Max", "Min", "Mod", "Mul",
        "Neg", "NEQ", "Not", "Null", "Nullif", "NullSafeEQ", "Or", "Order", "Ordered", "Pad",
        "Paren", "RegexpExtract", "RegexpLike", "RowNumber", "Select", "SplitPart", "Star", "StartsWith",
        "Sub", "Subquery", "Substring", "Sum", "Table", "TableAlias", "Tuple", "Union", "Where",
        "Window", "With",
    )
)  # fmt: skip
TYPES = frozenset(("INT", "BIGINT", "VARCHAR", "TEXT", "DOUBLE", "BOOLEAN"))
"""Types that a CAST may name. From text and from fractions there are SAFE_INT and no other way."""


@lru_cache(maxsize=512)
def render(sql: str, dialect: str) -> str:
    """Return the engine's text of a portable SELECT.

    Args:
        sql: portable SQL, written as DuckDB would have it.
        dialect: `duckdb` or `spark`.

    Raises:
        SqlError: the text does not parse, or uses a construct or function outside the list.
    """
    try:
        tree = sqlglot.parse_one(sql, read="duckdb")
    except (ParseError, TokenError):
        raise SqlError("the text is not SQL that can be read; a portable text is one SELECT") from None
    _check(tree)
    return str(tree.transform(lambda node: _expanded(node, dialect)).sql(dialect=dialect))


def _check(tree: exp.Expr) -> None:
    if not isinstance(tree, exp.Select | exp.Union):
        raise SqlError(f"portable SQL is a SELECT, not {type(tree).__name__}")
    for node in tree.walk():
        name = type(node).__name__
        if name not in CONSTRUCTS:
            raise SqlError(f"{name} is not in portable SQL; allowed: {', '.join(sorted(CONSTRUCTS))}")
        if isinstance(node, exp.Cast) and node.to.this.name not in TYPES:
            raise SqlError(f"CAST to {node.to.this.name} is not in portable SQL; allowed: {sorted(TYPES)}")
        if isinstance(node, exp.Union) and node.args.get("distinct") is None:
            raise SqlError("a UNION says ALL or DISTINCT")


def _expanded(node: exp.Expr, dialect: str) -> exp.Expr:
    if not isinstance(node, exp.Anonymous):
        return node
    arguments = [_expanded_whole(argument, dialect) for argument in node.expressions]
    return exp.var(expand_intrinsic(node.name.upper(), arguments, dialect))


def _expanded_whole(argument: exp.Expr, dialect: str) -> str:
    return str(argument.transform(lambda node: _expanded(node, dialect)).sql(dialect=dialect))
