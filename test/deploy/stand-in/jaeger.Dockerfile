# Stands in for jaegertracing/all-in-one: the same program, without the pages of its user interface.
FROM scratch
COPY all-in-one-linux /go/bin/all-in-one-linux
USER 10001:10001
EXPOSE 4317 4318 16686
ENTRYPOINT ["/go/bin/all-in-one-linux"]
