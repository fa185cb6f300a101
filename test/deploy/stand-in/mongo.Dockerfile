# Stands in for mongo:8.0: a server that speaks MongoDB's protocol, with one member that looks like a replica set.
FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install --yes --no-install-recommends python3 \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 999 mongodb && useradd --uid 999 --gid 999 mongodb \
    && install --directory --owner 999 --group 999 /data/db
COPY secantus /opt/secantus
# A member of a replica set tells its name, and not its address.
RUN sed -i -e 's/self.host, self.port = sock.getsockname()\[:2\]/self.port = sock.getsockname()[1]/' \
        -e 's/host, port, \*_ = self._socket.getsockname()/host, port = self.host, self._socket.getsockname()[1]/' \
        /opt/secantus/secantus/server.py
COPY mongo.py /usr/local/bin/docker-entrypoint.py
ENV PYTHONPATH=/opt/secantus PYTHONUNBUFFERED=1
LABEL org.postern.stand-in="true"
ENTRYPOINT ["python3", "/usr/local/bin/docker-entrypoint.py"]
