#!/usr/bin/env python3
"""Receives traces and metrics by OTLP over HTTP and prints what arrives.

Usage: otlp_receiver.py

Decodes with the official generated types (PyPI `opentelemetry-proto`). Prints {"port": N} first,
then one JSON object a line: each request with its path, headers and raw body in base64, then each
span and each point of each metric in it. Ends with its standard input.
"""

import base64
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

LOCK = threading.Lock()


def tell(what):
    with LOCK:
        print(json.dumps(what), flush=True)


def attributes(pairs):
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}


def spans(body):
    for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield {
                    "signal": "span",
                    "resource": attributes(resource.resource.attributes),
                    "scope": scope.scope.name,
                    "name": span.name,
                    "kind": span.kind,
                    "trace": span.trace_id.hex(),
                    "span": span.span_id.hex(),
                    "parent": span.parent_span_id.hex(),
                    "state": span.trace_state,
                    "status": span.status.code,
                    "message": span.status.message,
                    "nanoseconds": span.end_time_unix_nano - span.start_time_unix_nano,
                    "attributes": attributes(span.attributes),
                }


def points(body):
    for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                shape = metric.WhichOneof("data")
                for point in getattr(metric, shape).data_points:
                    seen = {
                        "signal": "metric",
                        "resource": attributes(resource.resource.attributes),
                        "name": metric.name,
                        "unit": metric.unit,
                        "shape": shape,
                        "attributes": attributes(point.attributes),
                    }
                    if shape == "histogram":
                        seen["count"] = point.count
                        seen["bounds"] = list(point.explicit_bounds)
                    else:
                        seen["value"] = getattr(point, point.WhichOneof("value"))
                    yield seen


SIGNALS = {
    "/v1/traces": (spans, ExportTraceServiceResponse),
    "/v1/metrics": (points, ExportMetricsServiceResponse),
}


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        raw = base64.b64encode(body).decode()
        decode, answer = SIGNALS[self.path]
        seen = list(decode(body))
        tell({"signal": "request", "path": self.path, "headers": headers, "raw": raw})
        for one in seen:
            tell(one)
        self.send_response(200)
        self.send_header("content-type", "application/x-protobuf")
        self.end_headers()
        self.wfile.write(answer().SerializeToString())

    def log_message(self, *_):
        pass


def main():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    tell({"port": server.server_port})
    sys.stdin.read()


if __name__ == "__main__":
    main()
