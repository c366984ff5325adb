#!/usr/bin/env python3
"""Signs in to a server with the OAuth client of the official Python SDK (PyPI `mcp`), in each of
its modes: from the server's 401 to the issuer by metadata, registration, authorization code with
PKCE, token, and then a list and a call.

Usage: oauth_python.py --http URL --call TOOL JSON

Prints one JSON object and exits with 0 if every step of every mode passed. The issuer is
oauth_provider.mjs, which agrees to everything by itself.
"""

import argparse
import json
import sys
from urllib.parse import parse_qs, urlsplit

import anyio
import httpx2
from mcp import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.auth.oauth2 import AuthorizationCodeResult
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientMetadata
from pydantic import AnyUrl

MODES = ["auto", "2026-07-28", "legacy"]
# Nobody listens there: the code is taken from the redirect to it.
CALLBACK = "http://127.0.0.1:1/callback"
SECONDS = 60


class Memory:
    """Keeps what the SDK asks to keep."""

    def __init__(self):
        self.tokens = None
        self.client = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client_info):
        self.client = client_info


class Browser:
    """Follows redirects with cookies until one leads to the callback."""

    def __init__(self):
        self.query = None

    async def visit(self, url):
        async with httpx2.AsyncClient(timeout=SECONDS) as browser:
            for _ in range(20):
                response = await browser.get(url)
                url = str(httpx2.URL(url).join(response.headers["location"]))
                if url.startswith(CALLBACK):
                    self.query = parse_qs(urlsplit(url).query)
                    return
        raise RuntimeError("the redirects do not end")

    async def code(self):
        value = {name: values[0] for name, values in self.query.items()}
        if "code" not in value:
            raise RuntimeError(f"the issuer refused: {value}")
        return AuthorizationCodeResult(**value)


async def run(url, mode, tool, arguments):
    outcome = {"mode": mode, "revision": None, "steps": {}}
    memory, browser = Memory(), Browser()
    metadata = OAuthClientMetadata(
        redirect_uris=[AnyUrl(CALLBACK)],
        client_name="python-sdk-judge",
        grant_types=["authorization_code", "refresh_token"],
    )
    auth = OAuthClientProvider(url, metadata, memory, browser.visit, browser.code)
    try:
        with anyio.fail_after(SECONDS):
            async with httpx2.AsyncClient(auth=auth, timeout=SECONDS) as http:
                transport = streamable_http_client(url, http_client=http)
                async with Client(transport, mode=mode) as client:
                    outcome["revision"] = client.protocol_version
                    listed = [tool.name for tool in (await client.list_tools()).tools]
                    outcome["steps"]["sign_in"] = "ok" if memory.tokens else "no token was needed"
                    outcome["steps"]["list"] = "ok" if tool in listed else f"listed {listed}"
                    result = await client.call_tool(tool, arguments)
                    outcome["steps"]["call"] = str(result) if result.is_error else "ok"
    except Exception as error:
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        outcome["steps"]["failed"] = f"{type(error).__name__}: {error}"
    outcome["steps"].setdefault("call", "not reached")
    return outcome


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--http", metavar="URL", required=True)
    parser.add_argument("--call", nargs=2, metavar=("TOOL", "JSON"), required=True)
    arguments = parser.parse_args()
    tool, given = arguments.call
    runs = [anyio.run(run, arguments.http, mode, tool, json.loads(given)) for mode in MODES]
    is_ok = all(step == "ok" for run in runs for step in run["steps"].values())
    report = {"judge": "oauth-python-sdk", "transport": "http", "ok": is_ok, "runs": runs}
    print(json.dumps(report, indent=2))
    sys.exit(0 if is_ok else 1)


if __name__ == "__main__":
    main()
