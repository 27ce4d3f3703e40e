"""Tracing: one trace from a request to the calls of models, across the broker and across waits.

A job's row has the `traceparent` (W3C Trace Context) of the request that created it, which each run
of a stage continues. Spans are recorded if OTEL_EXPORTER_OTLP_ENDPOINT is set; without it nothing
of OpenTelemetry is imported.
"""
