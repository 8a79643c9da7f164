"""What Noren starts to be scheduled and approved: PostgreSQL and Airflow, their databases, roles and logins."""
