#!/usr/bin/env python3
"""Drives a server with the client of the official Python SDK (PyPI `mcp`), in each of its modes.

Usage: python_sdk.py [--mode MODE] [--plan JSON] --stdio -- COMMAND ARGS…
       python_sdk.py [--mode MODE] [--plan JSON] --http URL

Prints one JSON object and exits with 0 if every step of every mode passed. README.md describes
the plan and the answer.
"""

import argparse
import json
import re
import sys
import time
from pathlib import Path

import anyio
from mcp import Client, MCPError, StdioServerParameters
from mcp_types import ResourceTemplateReference

MODES = ["auto", "2026-07-28", "legacy"]

# Longer than any step takes on a busy machine; a hang is an answer too.
SECONDS_PER_STEP = 30

# The protocol's answers to a name that does not exist: invalid params, method not found.
UNKNOWN_TOOL = [-32602, -32601]


class Wrong(Exception):
    """The server did something else than the plan says."""


def expect(holds, message):
    if not holds:
        raise Wrong(message)


def text_of(result):
    return "\n".join(block.text for block in result.content if block.type == "text")


class Judge:
    """One connection in one mode, and what the steps learn from each other."""

    def __init__(self, client, mode, plan):
        self.client = client
        self.mode = mode
        self.plan = plan
        self.hit = None
        self.uri = None

    async def negotiate(self):
        revision = self.client.protocol_version
        if self.mode == "legacy":
            expect("2025-06-18" <= revision < "2026", f"legacy negotiated {revision}")
        else:
            expect(revision == "2026-07-28", f"{self.mode} negotiated {revision}")

    async def tools(self):
        names = await self.pages(self.client.list_tools, lambda page: page.tools)
        names = sorted(tool.name for tool in names)
        expect(names == sorted(self.plan["tools"]), f"listed {names}")

    async def search(self):
        step = self.plan["search"]
        result = await self.client.call_tool(step["tool"], step["arguments"])
        expect(not result.is_error, f"search failed: {text_of(result)}")
        # The plan writes named groups as JavaScript does.
        hit = re.search(step["hit"].replace("(?<", "(?P<"), text_of(result))
        expect(hit, f"no hit in: {text_of(result)[:200]}")
        self.hit = {name: value for name, value in hit.groupdict().items() if value}

    async def read(self):
        step = self.plan["read"]
        expect(self.hit, "the search found nothing to read")
        result = await self.client.call_tool(step["tool"], self.hit)
        expect(not result.is_error, f"reading {self.hit} failed: {text_of(result)}")
        expect(text_of(result).strip(), f"{self.hit} is empty")

    async def invalid(self):
        step = self.plan["invalid"]
        result = await self.client.call_tool(step["tool"], step["arguments"])
        expect(result.is_error, "an unknown field was accepted")
        expect(step["names"] in text_of(result), f"the field is not named: {text_of(result)}")

    async def unknown(self):
        try:
            result = await self.client.call_tool(self.plan["unknown"], {})
        except MCPError as error:
            expect(error.code in UNKNOWN_TOOL, f"an unknown tool is error {error.code}: {error}")
            return
        expect(result.is_error, "an unknown tool answered")

    async def resources(self):
        step = self.plan["resources"]
        uris = await self.pages(self.client.list_resources, lambda page: page.resources)
        uris = [str(resource.uri) for resource in uris]
        expect(uris, "no resources")
        expect(len(set(uris)) == len(uris), "pages overlap")
        expect(all(uri.startswith(step["prefix"]) for uri in uris), f"listed {uris[:5]}")
        self.uri = uris[0]

    async def read_resource(self):
        expect(self.uri, "no resource was listed")
        result = await self.client.read_resource(self.uri)
        expect(result.contents, f"{self.uri} has no contents")

    async def completion(self):
        step = self.plan["completion"]
        pages = await self.pages(
            self.client.list_resource_templates, lambda page: page.resource_templates
        )
        expect(pages, "no resource templates")
        reference = ResourceTemplateReference(type="ref/resource", uri=pages[0].uri_template)
        argument = {"name": step["argument"], "value": step["value"]}
        result = await self.client.complete(reference, argument)
        expect(result.completion.values, f"nothing completes {argument}")

    async def cancel(self):
        """Cancels a slow call as soon as it shows progress; the server must go on answering."""
        step = self.plan["slow"]
        seen = 0

        async def progressed(_done, _total, _message):
            nonlocal seen
            seen += 1

        async def watch(scope):
            # Progress where the transport carries it; else the call has had time to begin.
            with anyio.move_on_after(1):
                while seen < max(step.get("progress", 1), 1):
                    await anyio.sleep(0.01)
            scope.cancel()

        start = time.monotonic()
        answer = None
        async with anyio.create_task_group() as group:
            group.start_soon(watch, group.cancel_scope)
            answer = await self.client.call_tool(
                step["tool"], step["arguments"], progress_callback=progressed
            )
        expect(answer is None, "the slow call was over before it could be cancelled")
        expect(time.monotonic() - start < 5, "cancelling took long")
        expect(seen >= step.get("progress", 0), f"{seen} progress notifications")
        await self.witness()

    async def witness(self):
        """Asks the server whether the cancelled call really ended."""
        witness = self.plan["slow"].get("witness")
        if witness is None:
            await self.client.list_tools(cache_mode="bypass")
            return
        text = None
        with anyio.move_on_after(5):
            while True:
                result = await self.client.call_tool(witness["tool"], witness["arguments"])
                text = text_of(result)
                if witness["contains"] in text:
                    return
                await anyio.sleep(0.05)
        raise Wrong(f"the call went on after it was cancelled: {text}")

    async def pages(self, list_page, items):
        found, cursor, previous = [], None, set()
        while True:
            page = await list_page(cursor=cursor)
            found += items(page)
            cursor = page.next_cursor
            if cursor is None:
                return found
            expect(cursor not in previous, "the same cursor twice")
            previous.add(cursor)

    def steps(self):
        """The steps that the plan asks for, in an order in which later ones can use earlier."""
        yield "negotiate", self.negotiate
        for name, needs in [
            ("tools", "tools"),
            ("search", "search"),
            ("read", "read"),
            ("invalid", "invalid"),
            ("unknown", "unknown"),
            ("resources", "resources"),
            ("read_resource", "resources"),
            ("completion", "completion"),
            ("cancel", "slow"),
        ]:
            if self.plan.get(needs) is not None:
                yield name, getattr(self, name)


def reason(error):
    """The innermost cause in one line; task groups wrap what happened in them."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


async def run(target, mode, plan):
    outcome = {"mode": mode, "revision": None, "steps": {}}
    try:
        with anyio.fail_after(SECONDS_PER_STEP * 4):
            async with Client(target, mode=mode, read_timeout_seconds=SECONDS_PER_STEP) as client:
                outcome["revision"] = client.protocol_version
                for name, step in Judge(client, mode, plan).steps():
                    try:
                        with anyio.fail_after(SECONDS_PER_STEP):
                            await step()
                        outcome["steps"][name] = "ok"
                    except Exception as error:
                        outcome["steps"][name] = reason(error)
        outcome["steps"]["close"] = "ok"
    except Exception as error:
        outcome["steps"]["connect" if outcome["revision"] is None else "close"] = reason(error)
    return outcome


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mode", choices=MODES, action="append", help="default: all")
    parser.add_argument("--plan", default="{}", help="JSON, laid over plan.json")
    transport = parser.add_mutually_exclusive_group(required=True)
    transport.add_argument("--stdio", action="store_true", help="start the command after `--`")
    transport.add_argument("--http", metavar="URL")
    parser.add_argument("command", nargs="*")
    arguments = parser.parse_args()

    if arguments.stdio and not arguments.command:
        parser.error("--stdio needs `-- COMMAND ARGS…`")
    if arguments.stdio:
        command, *rest = arguments.command
        target = StdioServerParameters(command=command, args=rest)
    else:
        target = arguments.http
    plan = json.loads(Path(__file__).with_name("plan.json").read_text())
    plan |= json.loads(arguments.plan)

    runs = [anyio.run(run, target, mode, plan) for mode in arguments.mode or MODES]
    is_ok = all(step == "ok" for run in runs for step in run["steps"].values())
    transport = "stdio" if arguments.stdio else "http"
    report = {"judge": "python-sdk", "transport": transport, "ok": is_ok, "runs": runs}
    print(json.dumps(report, indent=2))
    sys.exit(0 if is_ok else 1)


if __name__ == "__main__":
    main()
