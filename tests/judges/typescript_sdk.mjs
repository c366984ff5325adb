#!/usr/bin/env node
// Drives a server with the client of the official TypeScript SDK (npm
// `@modelcontextprotocol/client`), in each of its modes.
//
// Usage: typescript_sdk.mjs [--mode MODE] [--plan JSON] --stdio -- COMMAND ARGS…
//        typescript_sdk.mjs [--mode MODE] [--plan JSON] --http URL
//
// Prints one JSON object and exits with 0 if every step of every mode passed. README.md describes
// the plan and the answer.

import { setTimeout as pause } from "node:timers/promises";
import { arguments_, expect, finish, firstHit, load, readPlan, textOf } from "./judge.mjs";

const { Client, StreamableHTTPClientTransport } = load("@modelcontextprotocol/client");
const { StdioClientTransport } = load("@modelcontextprotocol/client/stdio");

const MODES = { auto: "auto", "2026-07-28": { pin: "2026-07-28" }, legacy: "legacy" };

// Longer than any step takes on a busy machine; a hang is an answer too.
const MILLISECONDS_PER_STEP = 30_000;

// The protocol's answers to a name that does not exist: invalid params, method not found.
const UNKNOWN_TOOL = [-32602, -32601];

/** The steps by name, in an order in which later ones can use what earlier ones found. */
const STEPS = {
  async negotiate({ client, mode }) {
    const revision = client.getNegotiatedProtocolVersion();
    const isRight =
      mode === "legacy" ? revision >= "2025-06-18" && revision < "2026" : revision === "2026-07-28";
    expect(isRight, `${mode} negotiated ${revision}`);
  },

  async tools({ client, plan }) {
    const { tools } = await client.listTools();
    const names = tools.map((tool) => tool.name).sort();
    expect(String(names) === String([...plan.tools].sort()), `listed ${names}`);
  },

  async search(judge) {
    const { tool, arguments: given, hit } = judge.plan.search;
    const result = await judge.client.callTool({ name: tool, arguments: given });
    expect(!result.isError, `search failed: ${textOf(result)}`);
    judge.hit = firstHit(textOf(result), hit);
  },

  async read({ client, plan, hit }) {
    expect(hit, "the search found nothing to read");
    const result = await client.callTool({ name: plan.read.tool, arguments: hit });
    expect(!result.isError, `reading failed: ${textOf(result)}`);
    expect(textOf(result).trim(), "what was read is empty");
  },

  async invalid({ client, plan }) {
    const { tool, arguments: given, names } = plan.invalid;
    const result = await client.callTool({ name: tool, arguments: given });
    expect(result.isError, "an unknown field was accepted");
    expect(textOf(result).includes(names), `the field is not named: ${textOf(result)}`);
  },

  async unknown({ client, plan }) {
    const outcome = await client
      .callTool({ name: plan.unknown, arguments: {} })
      .catch((error) => ({ isError: UNKNOWN_TOOL.includes(error.code), error }));
    expect(outcome.isError, `an unknown tool answered: ${outcome.error ?? "a result"}`);
  },

  async resources(judge) {
    // Without a cursor the client walks all pages itself.
    const { resources, nextCursor } = await judge.client.listResources();
    const uris = resources.map((resource) => resource.uri);
    expect(uris.length > 0 && nextCursor === undefined, "no resources, or not all pages");
    expect(new Set(uris).size === uris.length, "pages overlap");
    const { prefix } = judge.plan.resources;
    expect(uris.every((uri) => uri.startsWith(prefix)), `listed ${uris.slice(0, 5)}`);
    judge.uri = uris[0];
  },

  async read_resource({ client, uri }) {
    expect(uri, "no resource was listed");
    const { contents } = await client.readResource({ uri });
    expect(contents.length > 0, `${uri} has no contents`);
  },

  async completion({ client, plan }) {
    const { resourceTemplates } = await client.listResourceTemplates();
    expect(resourceTemplates.length > 0, "no resource templates");
    const ref = { type: "ref/resource", uri: resourceTemplates[0].uriTemplate };
    const argument = { name: plan.completion.argument, value: plan.completion.value };
    const { completion } = await client.complete({ ref, argument });
    expect(completion.values.length > 0, `nothing completes ${argument.name}`);
  },

  // Cancels a slow call as soon as it shows progress; the server must go on answering.
  async cancel({ client, plan }) {
    const { tool, arguments: given, progress: least } = plan.slow;
    const cancel = new AbortController();
    let seen = 0;
    const onprogress = () => ++seen >= Math.max(least ?? 1, 1) && cancel.abort();
    // Where the transport carries no progress, the call has had time to begin.
    const timer = setTimeout(() => cancel.abort(), 1_000);
    const start = performance.now();
    const outcome = await client
      .callTool({ name: tool, arguments: given }, { signal: cancel.signal, onprogress })
      .then(() => "answered", () => "cancelled");
    clearTimeout(timer);
    expect(outcome === "cancelled" && cancel.signal.aborted, "the slow call was not cancelled");
    expect(performance.now() - start < 5_000, "cancelling took long");
    expect(seen >= (least ?? 0), `${seen} progress notifications`);
    await witness(client, plan.slow.witness);
  },
};

/** What a step other than its namesake in the plan needs there. */
const NEEDS = { negotiate: "tools", read_resource: "resources", cancel: "slow" };

/** Asks the server whether the cancelled call really ended. */
async function witness(client, asked) {
  if (!asked) {
    await client.listTools(undefined, { cacheMode: "bypass" });
    return;
  }
  const end = performance.now() + 5_000;
  let text;
  while (performance.now() < end) {
    const result = await client.callTool({ name: asked.tool, arguments: asked.arguments });
    text = textOf(result);
    if (text.includes(asked.contains)) return;
    await pause(50);
  }
  throw new Error(`the call went on after it was cancelled: ${text}`);
}

function transport() {
  if (arguments_.http) return new StreamableHTTPClientTransport(new URL(arguments_.http));
  const [command, ...args] = arguments_.command;
  return new StdioClientTransport({ command, args });
}

async function run(mode, plan) {
  const client = new Client(
    { name: "typescript-sdk-judge", version: "1" },
    { versionNegotiation: { mode: MODES[mode] } },
  );
  const outcome = { mode, revision: null, steps: {} };
  try {
    await client.connect(transport(), { timeout: MILLISECONDS_PER_STEP });
  } catch (error) {
    outcome.steps.connect = String(error);
    await client.close().catch(() => {});
    return outcome;
  }
  outcome.revision = client.getNegotiatedProtocolVersion();
  const judge = { client, mode, plan, hit: undefined, uri: undefined };
  for (const [name, step] of Object.entries(STEPS)) {
    if (plan[NEEDS[name] ?? name] == null) continue;
    outcome.steps[name] = await inTime(step(judge)).then(() => "ok", String);
  }
  outcome.steps.close = await inTime(client.close()).then(() => "ok", String);
  return outcome;
}

function inTime(work) {
  const late = new AbortController();
  const alarm = pause(MILLISECONDS_PER_STEP, undefined, { signal: late.signal }).then(() => {
    throw new Error(`no answer in ${MILLISECONDS_PER_STEP / 1000} s`);
  });
  alarm.catch(() => {});
  return Promise.race([work, alarm]).finally(() => late.abort());
}

const plan = readPlan();
const runs = [];
for (const mode of arguments_.mode ?? Object.keys(MODES)) {
  runs.push(await run(mode, plan));
}
finish("typescript-sdk", runs);
