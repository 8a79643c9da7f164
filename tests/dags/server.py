"""Has Airflow imported, and runs each script that it is asked for in a process forked from itself; see conftest.py.

Importing Airflow and making its database takes longer than most of what the tests ask of it. DAGs are imported by the
forked process alone.
"""

from __future__ import annotations

import gc
import json
import os
import runpy
import sys
import traceback
from pathlib import Path


def main() -> None:
    """Read a question a line, and answer each with the exit code of its process."""
    import airflow.api_fastapi.execution_api.app
    import airflow.api_fastapi.execution_api.routes
    import airflow.dag_processing.dagbag
    import airflow.models.asset
    import airflow.models.hitl
    import airflow.models.trigger
    import airflow.models.xcom
    import airflow.providers.fab.auth_manager.models.db
    import airflow.providers.standard.operators.hitl
    import airflow.sdk
    import airflow.utils.db
    import alembic.context  # noqa: F401
    from sqlalchemy.orm import configure_mappers

    configure_mappers()
    airflow.utils.db.initdb()
    airflow.settings.engine.dispose()  # a connection is no other process's
    gc.collect()
    gc.freeze()  # a forked process would look through all of it for garbage, and so copy it

    for line in sys.stdin:
        asked = json.loads(line)
        child = os.fork()
        if child == 0:
            os._exit(_run(**asked))
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def _run(script: str, words: list[str], environment: dict[str, str], said: str, complained: str) -> int:
    os.setsid()  # so that whatever it started can be ended with it
    for number, path in ((0, os.devnull), (1, said), (2, complained)):
        os.dup2(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), number)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = [script, *words]
    sys.path[0] = str(Path(script).parent)
    code = 0
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:  # noqa: BLE001 - as Python does with what nobody has caught
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return code


if __name__ == "__main__":
    main()
