# Stands in for otel/opentelemetry-collector: its core components, as its own builder puts them together.
FROM scratch
COPY otelcol /otelcol
USER 10001:10001
EXPOSE 4317 4318
ENTRYPOINT ["/otelcol"]
