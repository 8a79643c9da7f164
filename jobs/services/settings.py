"""Airflow's settings on one machine: everything on one address, and secrets that are made once a home."""

from __future__ import annotations

import configparser
import io
from pathlib import Path
from urllib.parse import urlsplit

from jobs.services.secret import kept_secret


def airflow_settings(folder: Path, dags: Path, url: str, database: str) -> str:
    """Return what `airflow.cfg` is to hold, secrets among it.

    Args:
        folder: Airflow's home.
        dags: where DAGs lie.
        url: Airflow's address, such as `http://127.0.0.1:8080`.
        database: of Airflow's tables: `role:password@host:port/name`.
    """
    secret, address = folder / "secrets", urlsplit(url)
    settings = configparser.RawConfigParser()
    settings.read_dict({
        "core": {
            "executor": "LocalExecutor", "dags_folder": str(dags), "load_examples": "False",
            "auth_manager": "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager",
            "fernet_key": kept_secret(secret / "fernet", 32) + "=",  # base64 of 32 bytes, with its padding
            "execution_api_server_url": f"{url}/execution/",
            "parallelism": "4", "plugins_folder": str(folder / "plugins"),
        },
        "database": {"sql_alchemy_conn": f"postgresql+psycopg2://{database}"},
        "api": {
            "base_url": url, "host": address.hostname, "port": str(address.port), "expose_config": "False",
            "secret_key": kept_secret(secret / "api", 32),
        },
        "api_auth": {"jwt_secret": kept_secret(secret / "jwt", 64)},
        "logging": {"base_log_folder": str(folder / "logs")},
        "scheduler": {"scheduler_idle_sleep_time": "0.3"},  # seconds; an answer is carried out in a few of them
    })  # fmt: skip
    text = io.StringIO()
    settings.write(text)
    return text.getvalue()
