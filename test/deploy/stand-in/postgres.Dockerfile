# Stands in for postgres:17: Debian's, without passwords.
FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install --yes --no-install-recommends postgresql-15 \
    && rm -rf /var/lib/apt/lists/*
COPY postgres.sh /usr/local/bin/
EXPOSE 5432
ENTRYPOINT ["postgres.sh"]
