# Stands in for node:26-slim: Debian, Node with npm where the official image has them, its user, and the CAs of this machine.
FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libatomic1 libstdc++6 \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 1000 node && useradd --uid 1000 --gid 1000 --create-home --shell /bin/bash node
COPY local /usr/local
ENV NODE_VERSION=26 NODE_EXTRA_CA_CERTS=/usr/local/etc/ca.pem
CMD ["node"]
