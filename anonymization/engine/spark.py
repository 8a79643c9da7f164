"""Spark: the engine of many machines; the same portable texts, equal results."""

from __future__ import annotations

import os
import shutil
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from anonymization.engine.base import normalized, private_folder_of_this_run, wiped
from anonymization.engine.java import java_home
from anonymization.engine.portable import render
from anonymization.errors import EngineError, SourceError

Result = TypeVar("Result")


class SparkEngine:
    """A Spark session; see `Engine` for what each method guarantees.

    Small relations and intermediate ones are Parquet files in the private temporary folder, which every worker
    must see: so no value stands in a plan, and what was made once is not computed again.
    """

    name = "spark"

    def __init__(self, *, temporary: Path, master: str | None) -> None:
        self._folder = private_folder_of_this_run(temporary, self.name)
        self._made = 0
        self._session = _Context.session(temporary, master)

    def register(self, name: str, table: pa.Table) -> None:
        """See `Engine.register`."""
        path = self._new_path()
        pq.write_table(table, path)
        path.chmod(0o600)
        self._view(name, self._session.read.parquet(str(path)))

    def open_events(self, name: str, paths: Sequence[Path], schema: pa.Schema) -> None:
        """See `Engine.open_events`."""
        if not paths:
            self.register(name, schema.empty_table())
            return
        frame = _guarded(lambda: self._session.read.parquet(*[str(path.absolute()) for path in paths]), name)
        self._view(name, frame.select(*schema.names))

    def read_lines(self, name: str, path: Path) -> None:
        """See `Engine.read_lines`."""
        text = self._session.read.option("lineSep", "\n").text(str(path.absolute()))
        self._view(name, text.withColumnRenamed("value", "line"))

    def read_csv(self, name: str, path: Path, columns: Sequence[str]) -> None:
        """See `Engine.read_csv`."""
        fields = ", ".join(f"`{column}` STRING" for column in (*columns, "_broken"))
        options = {"header": True, "quote": '"', "escape": '"', "mode": "PERMISSIVE", "multiLine": True}
        reader = self._session.read.options(**options, columnNameOfCorruptRecord="_broken", enforceSchema=True)
        rows = reader.schema(fields).csv(str(path.absolute())).cache()
        self._view(name, rows.where("_broken IS NULL").select(*columns))
        self._view(f"{name}_rejects", rows.where("_broken IS NOT NULL").selectExpr("_broken AS line"))

    def read_parquet(self, name: str, path: Path) -> None:
        """See `Engine.read_parquet`."""
        try:
            self._view(name, self._session.read.parquet(str(path.absolute())))
        except Exception as error:  # noqa: BLE001 - Spark's messages may hold values
            raise SourceError(f"{path.name} cannot be read as Parquet ({type(error).__name__})") from None

    def create(self, name: str, sql: str) -> None:
        """See `Engine.create`."""
        path = self._new_path()
        _guarded(lambda: self._session.sql(render(sql, self.name)).write.parquet(str(path)), name)
        self._view(name, self._session.read.parquet(str(path)))

    def view(self, name: str, sql: str) -> None:
        """See `Engine.view`."""
        self._view(name, _guarded(lambda: self._session.sql(render(sql, self.name)), name))

    def fetch(self, sql: str) -> pa.Table:
        """See `Engine.fetch`."""
        text = render(sql, self.name)
        return normalized(_guarded(lambda: self._session.sql(text).toArrow(), "a query"))

    def explain(self, sql: str) -> str:
        """See `Engine.explain`."""
        return render(sql, self.name)

    def write_parquet(self, sql: str, path: Path) -> None:
        """See `Engine.write_parquet`."""
        folder, text = self._new_path(), render(sql, self.name)
        one = _guarded(lambda: self._session.sql(text).coalesce(1), path.name)
        _guarded(lambda: one.write.option("compression", "zstd").parquet(str(folder)), path.name)
        shutil.move(next(folder.glob("part-*.parquet")), path)

    def drop(self, name: str) -> None:
        """See `Engine.drop`."""
        self._session.catalog.dropTempView(name)

    def close(self) -> None:
        """See `Engine.close`."""
        _Context.leave(self._session)
        wiped(self._folder).rmdir()

    def __enter__(self) -> Self:
        """Return the engine itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the engine."""
        self.close()

    def _new_path(self) -> Path:
        self._made += 1
        return self._folder / f"relation-{self._made}"

    def _view(self, name: str, frame: Any) -> None:
        frame.createOrReplaceTempView(name)


class _Context:
    """A process has one Spark context. Engines share it, each with a session of its own; the last one ends it."""

    engines = 0
    folder: Path

    @classmethod
    def session(cls, temporary: Path, master: str | None) -> Any:
        """Return a session of the process's context, which is started where there is none."""
        if cls.engines == 0:
            cls.folder = private_folder_of_this_run(temporary, "spark")
        session = _started(cls.folder, master)
        cls.engines += 1
        return session.newSession()

    @classmethod
    def leave(cls, session: Any) -> None:
        """Give a session back."""
        cls.engines -= 1
        if cls.engines == 0:
            session.stop()
            wiped(cls.folder).rmdir()


def _started(folder: Path, master: str | None) -> Any:
    os.environ["JAVA_HOME"] = str(java_home(folder / "java"))
    os.environ["PYSPARK_PYTHON"] = sys.executable
    os.environ["SPARK_LOCAL_IP"] = os.environ.get("SPARK_LOCAL_IP", "127.0.0.1" if master is None else "")
    os.environ["SPARK_LOCAL_DIRS"] = str(folder / "local")
    os.environ["SPARK_CONF_DIR"] = str(folder)  # where Spark looks for how to log: nothing, since plans hold values
    (folder / "log4j2.properties").write_text("rootLogger.level = off\n", encoding="utf-8")
    settings = {
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.ansi.enabled": "true",
        "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
        "spark.sql.shuffle.partitions": "8",
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
        "spark.ui.enabled": "false",
        "spark.eventLog.enabled": "false",
        "spark.driver.memory": "2g",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.execution.arrow.pyspark.enabled": "true",
    }
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PySpark warns of the newest pandas; what is used of it works
            from pyspark.sql import SparkSession  # noqa: PLC0415 - seconds to import, and an extra

            builder = SparkSession.builder.master(master or "local[*]").appName("noren")
            for setting, value in settings.items():
                builder = builder.config(setting, value)
            return builder.getOrCreate()
    except ImportError:
        raise EngineError("--engine spark needs the spark extra: pip install 'noren[spark]'") from None
    except Exception as error:  # noqa: BLE001 - a Java stack is no message
        where = master or "local[*]"
        raise EngineError(f"Spark did not start on {where} ({type(error).__name__}): is the master there?") from None


def _guarded(run: Callable[[], Result], what: str) -> Result:
    """Spark's messages quote values and plans: only the kind of the error leaves."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return run()
    except Exception as error:  # noqa: BLE001 - see above
        raise EngineError(f"Spark could not make {what!r}: {type(error).__name__}") from None
