#!/bin/sh
# dependencies.sh PROGRAM: installs what a program needs in production, without what only tools read: types and source maps
# are more than half of it.
set -eu

pnpm install --store-dir /store --prod --frozen-lockfile --ignore-scripts --filter "@postern/$1..."
find node_modules -type f \( -name '*.map' -o -name '*.d.ts' -o -name '*.d.mts' -o -name '*.d.cts' \) -delete
