#!/usr/bin/env node
// Signs in to a server with the OAuth client of the official TypeScript SDK (npm
// `@modelcontextprotocol/client`), in each of its modes: from the server's 401 to the issuer by
// metadata, registration, authorization code with PKCE, token, and then a list and a call.
//
// Usage: oauth_typescript.mjs --http URL --plan '{"call": {"tool": …, "arguments": …}}'
//
// Prints one JSON object and exits with 0 if every step of every mode passed. The issuer is
// oauth_provider.mjs, which agrees to everything by itself.

import { arguments_, expect, finish, load, readPlan, textOf } from "./judge.mjs";

const { Client, StreamableHTTPClientTransport } = load("@modelcontextprotocol/client");

const MODES = { auto: "auto", "2026-07-28": { pin: "2026-07-28" }, legacy: "legacy" };
// Nobody listens there: the code is taken from the redirect to it.
const CALLBACK = "http://127.0.0.1:1/callback";
const MILLISECONDS = 60_000;

/** Keeps what the SDK asks to keep, and visits the issuer as a browser would. */
class Person {
  redirectUrl = CALLBACK;
  clientMetadata = {
    client_name: "typescript-sdk-judge",
    redirect_uris: [CALLBACK],
    grant_types: ["authorization_code", "refresh_token"],
    response_types: ["code"],
    token_endpoint_auth_method: "none",
  };
  #kept = {};

  clientInformation = () => this.#kept.client;
  saveClientInformation = (client) => void (this.#kept.client = client);
  tokens = () => this.#kept.tokens;
  saveTokens = (tokens) => void (this.#kept.tokens = tokens);
  saveCodeVerifier = (verifier) => void (this.#kept.verifier = verifier);
  codeVerifier = () => this.#kept.verifier;
  saveDiscoveryState = (state) => void (this.#kept.discovered = state);
  discoveryState = () => this.#kept.discovered;

  async redirectToAuthorization(url) {
    const cookies = new Map();
    let at = new URL(url);
    for (let hop = 0; hop < 20; hop++) {
      const cookie = [...cookies].map((pair) => pair.join("=")).join("; ");
      const response = await fetch(at, { redirect: "manual", headers: { cookie } });
      for (const line of response.headers.getSetCookie()) {
        const [name, value] = line.split(";", 1)[0].split("=");
        cookies.set(name, value);
      }
      at = new URL(response.headers.get("location"), at);
      if (at.href.startsWith(CALLBACK)) {
        this.answer = at.searchParams;
        return;
      }
    }
    throw new Error("the redirects do not end");
  }
}

async function run(mode, { tool, arguments: given }) {
  const outcome = { mode, revision: null, steps: {} };
  const person = new Person();
  const open = () => new StreamableHTTPClientTransport(new URL(arguments_.http), { authProvider: person });
  const fresh = () =>
    new Client(
      { name: "typescript-sdk-judge", version: "1" },
      { versionNegotiation: { mode: MODES[mode] } },
    );
  const step = async (name, work) => {
    outcome.steps[name] = await work().then(() => "ok", String);
    return outcome.steps[name] === "ok";
  };
  let client = fresh();
  const first = open();
  const signedIn = await step("sign_in", async () => {
    const refused = await client.connect(first, { timeout: MILLISECONDS }).then(() => null, (error) => error);
    expect(refused && person.answer, `no sign-in was asked for: ${refused}`);
    await first.finishAuth(person.answer);
    expect(person.tokens()?.access_token, "no token");
    client = fresh();
    await client.connect(open(), { timeout: MILLISECONDS });
  });
  if (!signedIn) return outcome;
  outcome.revision = client.getNegotiatedProtocolVersion();
  await step("list", async () => {
    const { tools } = await client.listTools();
    expect(tools.some(({ name }) => name === tool), `listed ${tools.map(({ name }) => name)}`);
  });
  await step("call", async () => {
    const result = await client.callTool({ name: tool, arguments: given });
    expect(!result.isError, textOf(result));
  });
  await step("close", () => client.close());
  return outcome;
}

const { call } = readPlan();
const runs = [];
for (const mode of arguments_.mode ?? Object.keys(MODES)) {
  runs.push(await run(mode, call));
}
finish("oauth-typescript-sdk", runs);
