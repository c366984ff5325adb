#!/usr/bin/env node
// Drives a server with the command line of the MCP Inspector (npm
// `@modelcontextprotocol/inspector`), in its modern and its legacy era.
//
// Usage: inspector.mjs [--mode ERA] [--plan JSON] --stdio -- COMMAND ARGS…
//        inspector.mjs [--mode ERA] [--plan JSON] --http URL
//
// Prints one JSON object and exits with 0 if every step of every era passed. README.md describes
// the plan and the answer.

import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { arguments_, expect, finish, firstHit, installed, readPlan, textOf } from "./judge.mjs";

const ERAS = ["modern", "legacy"];
const MILLISECONDS_PER_STEP = 60_000;

const program = join(installed, "node_modules/.bin/mcp-inspector");
// Its settings and stores: not those of the person whose machine this is.
const home = mkdtempSync(join(tmpdir(), "inspector-"));
process.on("exit", () => rmSync(home, { recursive: true, force: true }));

/** Runs the Inspector once: a fresh process, a fresh connection. */
function inspect(era, method, ...options) {
  const target = arguments_.http
    ? ["--server-url", arguments_.http, "--transport", "http"]
    : ["--", ...arguments_.command];
  const settings = ["--cli", "--protocol-era", era, "--format", "json", "--method", method];
  const words = [program, ...settings, ...options, ...target];
  const environment = { ...process.env, HOME: home };
  return new Promise((resolve, reject) => {
    const limits = { env: environment, timeout: MILLISECONDS_PER_STEP, maxBuffer: 64 << 20 };
    execFile(process.execPath, words, limits, (error, stdout, stderr) => {
      const code = error ? (error.code ?? error.signal) : 0;
      try {
        resolve({ code, stderr, result: stdout.trim() ? JSON.parse(stdout).result : null });
      } catch {
        reject(new Error(`exit ${code}, not JSON: ${stdout.slice(0, 200)} ${stderr.slice(-400)}`));
      }
    });
  });
}

async function succeed(era, method, ...options) {
  const { code, stderr, result } = await inspect(era, method, ...options);
  expect(code === 0, `exit ${code}: ${stderr.trim().slice(-400)}`);
  return result;
}

/** The steps by name, in an order in which later ones can use what earlier ones found. */
const STEPS = {
  // `--strict` fails on schemas that some host or model cannot take.
  async tools({ era, plan }) {
    const { tools } = await succeed(era, "tools/list", "--strict");
    const names = tools.map((tool) => tool.name).sort();
    expect(String(names) === String([...plan.tools].sort()), `listed ${names}`);
  },

  async search(judge) {
    const { tool, arguments: given, hit } = judge.plan.search;
    judge.hit = firstHit(textOf(await judge.call(tool, given)), hit);
  },

  async read({ plan, hit, call }) {
    expect(hit, "the search found nothing to read");
    const result = await call(plan.read.tool, hit);
    expect(textOf(result).trim(), "what was read is empty");
  },

  async invalid({ era, plan }) {
    const { tool, arguments: given, names } = plan.invalid;
    const options = ["--tool-name", tool, "--tool-args-json", JSON.stringify(given)];
    const { code, stderr, result } = await inspect(era, "tools/call", ...options);
    expect(code !== 0, "an unknown field was accepted");
    const said = `${JSON.stringify(result)} ${stderr}`;
    expect(said.includes(names), `the field is not named: ${said.slice(-400)}`);
  },

  async resources(judge) {
    const { resources } = await succeed(judge.era, "resources/list");
    const uris = resources.map((resource) => resource.uri);
    expect(uris.length > 0, "no resources");
    const { prefix } = judge.plan.resources;
    expect(uris.every((uri) => uri.startsWith(prefix)), `listed ${uris.slice(0, 5)}`);
    judge.uri = uris[0];
  },

  async read_resource({ era, uri }) {
    expect(uri, "no resource was listed");
    const { contents } = await succeed(era, "resources/read", "--uri", uri);
    expect(contents.length > 0, `${uri} has no contents`);
  },

  async templates({ era }) {
    const { resourceTemplates } = await succeed(era, "resources/templates/list");
    expect(resourceTemplates.length > 0, "no resource templates");
  },
};

/** What a step other than its namesake in the plan needs there. */
const NEEDS = { read_resource: "resources", templates: "resources" };

const plan = readPlan();
const runs = [];
for (const era of arguments_.mode ?? ERAS) {
  const call = (tool, given) =>
    succeed(era, "tools/call", "--tool-name", tool, "--tool-args-json", JSON.stringify(given));
  const judge = { era, plan, call, hit: undefined, uri: undefined };
  const steps = {};
  for (const [name, step] of Object.entries(STEPS)) {
    if (plan[NEEDS[name] ?? name] == null) continue;
    steps[name] = await step(judge).then(() => "ok", String);
  }
  runs.push({ mode: era, steps });
}
finish("inspector", runs);
