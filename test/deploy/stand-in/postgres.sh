#!/bin/bash
# What the official image's entry point does: makes the databases once, then serves them to whoever comes.
set -euo pipefail
data=/var/lib/postgresql/data
programs=/usr/lib/postgresql/15/bin
install --directory --owner postgres --mode 700 "$data"
chown postgres /run/postgresql
[ -e "$data/PG_VERSION" ] || runuser -u postgres -- "$programs/initdb" --auth=trust --no-sync "$data"
echo 'host all all all trust' >>"$data/pg_hba.conf"
exec runuser -u postgres -- "$programs/postgres" -D "$data" -c 'listen_addresses=*'
