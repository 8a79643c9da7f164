"""Starts Spark: its settings, its master, and a look at every worker before any work is given to it."""

from __future__ import annotations

import os
import re
import socket
import sys
import threading
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from anonymization.engine.base import private_folder_of_this_run, wiped
from anonymization.engine.spark.errors import cause_of
from anonymization.engine.spark.java import java_home
from anonymization.engine.spark.workers import Watch, await_executors, check_workers
from anonymization.errors import EngineError, InputError

MASTER = re.compile(r"local(\[(\*|[1-9][0-9]*)(,[0-9]+)?\])?|local-cluster\[.+\]|spark://.+|yarn|k8s://.+")
CONNECTED_WITHIN = 5.0
"""Seconds in which a standalone master must answer."""

ALWAYS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.variant.allowDuplicateKeys": "true",  # a record's own names are looked at by the intake
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.eventLog.enabled": "false",
    "spark.io.encryption.enabled": "true",  # what workers shuffle and spill are raw ids, outside the home
}
"""Settings on which equal results, or silence about persons, depend."""
DEFAULTS = {"spark.driver.memory": "2g"}
"""Settings that `spark-submit --conf` and spark-defaults.conf may give otherwise."""
FEWEST_PARTITIONS, PARTITIONS_A_CORE = 8, 3
LOGGING, LOGGED_AS = "log4j2.properties", "log4j2.configurationFile"
SILENT = """\
appender.none.type = Null
appender.none.name = none
rootLogger.level = off
rootLogger.appenderRef.none.ref = none
logger.gateway.name = org.apache.spark.api.python.PythonGatewayServer
logger.gateway.level = off
"""
"""With an appender: Spark takes a root logger that has none for one that nobody has configured, and logs."""
PARTITIONS = "spark.sql.shuffle.partitions"


class Context:
    """A process has one Spark context. Engines share it, each with a session of its own; the last one ends it."""

    engines = 0
    folder: Path
    partitions: str | None
    watch: Watch
    lock = threading.Lock()

    @classmethod
    def session(cls, temporary: Path, master: str | None) -> Any:
        """Return a session of the process's context, which is started where there is none.

        Raises:
            InputError: the master is none that Spark knows.
            EngineError: Spark did not start, or a worker cannot do the work; says what to do.
        """
        with cls.lock:
            if cls.engines == 0:
                check_master(master)
                cls.folder = private_folder_of_this_run(temporary, "spark")
                try:
                    session, cls.partitions = _started(cls.folder, master)
                except EngineError:
                    wiped(cls.folder).rmdir()
                    raise
                cls.watch = Watch(session.sparkContext)
            else:
                session = _builder().getOrCreate()
            cls.engines += 1
            own = session.newSession()
            if cls.partitions is not None:
                own.conf.set(PARTITIONS, cls.partitions)
            return own

    @classmethod
    def leave(cls, session: Any) -> None:
        """Give a session back."""
        with cls.lock:
            cls.engines -= 1
            if cls.engines == 0:
                cls.watch.end()
                _stopped(session)
                wiped(cls.folder).rmdir()


def check_master(master: str | None) -> None:
    """Refuse a master before Spark waits a minute for it.

    Raises:
        InputError: no master is written so.
        EngineError: nothing listens there.
    """
    if master is None:
        return
    if MASTER.fullmatch(master) is None:
        raise InputError(f"--master {master!r}: allowed are local[N], spark://host:port, yarn and k8s://...")
    if master.startswith("spark://"):
        places = [place.rpartition(":") for place in master.removeprefix("spark://").split(",")]
        if not all(host and port.isdecimal() for host, _, port in places):
            raise InputError(f"--master {master!r}: a standalone master is written spark://host:port")
        if not any(_listens(host, int(port)) for host, _, port in places):
            raise EngineError(f"no master answers at {master}: is it started, and is this its address and port?")


def _listens(host: str, port: int) -> bool:
    try:
        socket.create_connection((host.strip("[]"), port), timeout=CONNECTED_WITHIN).close()
    except OSError:
        return False
    return True


def _builder() -> Any:
    from pyspark.sql import SparkSession  # noqa: PLC0415 - seconds to import, and an extra

    return SparkSession.builder


def _started(folder: Path, master: str | None) -> tuple[Any, str | None]:
    """A session, and how many partitions a shuffle has where nobody has said."""
    submitted = "PYSPARK_GATEWAY_PORT" in os.environ  # by spark-submit, which gave master and Java
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    java = os.environ.get("JAVA_HOME")
    try:
        if not submitted:
            _prepare(folder, master)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PySpark warns of the newest pandas; what is used of it works
            from pyspark import SparkConf, SparkContext  # noqa: PLC0415 - seconds to import, and an extra

            if submitted:
                SparkContext._ensure_initialized()  # noqa: SLF001 - before that, nothing submitted is known here
            given = dict(SparkConf().getAll()) if submitted else _declared()
            settings = ALWAYS | {name: value for name, value in DEFAULTS.items() if name not in given}
            settings["spark.sql.warehouse.dir"] = str(folder / "warehouse")
            settings |= _silence(folder, given)
            builder = _builder().appName("noren")
            if master is not None or not submitted:
                builder = builder.master(master or "local[*]")
            for setting, value in settings.items():
                builder = builder.config(setting, value)
            session = builder.getOrCreate()
    except EngineError:
        raise
    except ImportError:
        raise EngineError("--engine spark needs the spark extra: pip install 'noren[spark]'") from None
    except Exception as error:  # noqa: BLE001 - a Java stack is no message
        where = master or ("the submitted master" if submitted else "local[*]")
        raise EngineError(f"Spark did not start on {where}: {cause_of(error)}") from None
    finally:
        _given_back("JAVA_HOME", java)
    context = session.sparkContext
    context.setLogLevel("OFF")  # plans hold the values that a release names
    try:
        if not context.master.startswith("local"):
            await_executors(context)
            check_workers(session, folder)
    except BaseException:
        _stopped(session)
        raise
    partitions = str(max(FEWEST_PARTITIONS, PARTITIONS_A_CORE * context.defaultParallelism))
    return session, None if PARTITIONS in given else partitions


def _given_back(variable: str, before: str | None) -> None:
    if before is None:
        os.environ.pop(variable, None)
    else:
        os.environ[variable] = before


def _prepare(folder: Path, master: str | None) -> None:
    os.environ["JAVA_HOME"] = str(java_home(folder / "java"))
    if master is None or master.startswith("local"):
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
        os.environ["SPARK_LOCAL_DIRS"] = str(folder / "local")


def _silence(folder: Path, given: Mapping[str, str]) -> dict[str, str]:
    """Settings with which driver and executors log nothing; Java options that are given stay."""
    (folder / LOGGING).write_text(SILENT, encoding="utf-8")
    option = f'"-D{LOGGED_AS}=file:{(folder / LOGGING).absolute()}"'
    names = [f"spark.{where}.extraJavaOptions" for where in ("driver", "executor")]
    return {name: f"{given.get(name, '')} {option}".strip() for name in names if LOGGED_AS not in given.get(name, "")}


def _declared() -> dict[str, str]:
    """The settings of spark-defaults.conf, where SPARK_CONF_DIR names a folder that has one."""
    folder = os.environ.get("SPARK_CONF_DIR")
    path = None if folder is None else Path(folder) / "spark-defaults.conf"
    if path is None or not path.is_file():
        return {}
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    return dict([*re.split(r"[\s=]+", line, maxsplit=1), ""][:2] for line in lines if line and line[0] != "#")


def _stopped(session: Any) -> None:
    """End the context; one whose Java is gone already is as good as ended."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            session.stop()
    except Exception:  # noqa: BLE001, S110 - see above
        pass
