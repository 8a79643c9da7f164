#!/bin/sh
# The service airflow-init of docker-compose.yml, at every `docker compose up`: makes what is missing, and brings the
# databases up to this version. What is there stays.
set -eu
umask 077

python -m jobs.services.databases
airflow db migrate
noren init
# Moved into its place, so that a driver or worker reads it as a whole or not at all.
mkdir -p "$SPARK_CONF_DIR"
{
  cat /opt/noren/deploy/spark-defaults.conf
  echo "spark.authenticate.secret $SPARK_SECRET"
} > "$SPARK_CONF_DIR/.spark-defaults.conf"
mv "$SPARK_CONF_DIR/.spark-defaults.conf" "$SPARK_CONF_DIR/spark-defaults.conf"
python -m jobs.services.roles --passwords "$NOREN_HOME/airflow/passwords"
