#!/usr/bin/env python3
"""Calls one tool with the official Python SDK inside a trace of the official OpenTelemetry SDK.

Usage: traced_client.py TOOL ARGUMENTS --stdio -- COMMAND ARGS…
       traced_client.py TOOL ARGUMENTS --http URL

Prints one JSON object with the spans that the client made: {"ok": true, "spans": [{"name", "trace",
"span"}]}.
"""

import argparse
import json
import sys

import anyio
from mcp import Client, StdioServerParameters
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter


def server(options):
    if options.http:
        return options.http
    command, *arguments = options.command
    return StdioServerParameters(command=command, args=arguments)


async def call(options):
    async with Client(server(options)) as client:
        with trace.get_tracer("traced-client").start_as_current_span("the agent's step"):
            await client.call_tool(options.tool, json.loads(options.arguments))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("tool")
    parser.add_argument("arguments")
    parser.add_argument("--http")
    parser.add_argument("--stdio", action="store_true")
    # What follows the first -- is the server's own command line.
    own = sys.argv[1:]
    end = own.index("--") if "--" in own else len(own)
    options = parser.parse_args(own[:end])
    options.command = own[end + 1 :]
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    anyio.run(call, options)
    spans = [
        {
            "name": span.name,
            "trace": format(span.context.trace_id, "032x"),
            "span": format(span.context.span_id, "016x"),
        }
        for span in exporter.get_finished_spans()
    ]
    print(json.dumps({"ok": True, "spans": spans}))


if __name__ == "__main__":
    main()
