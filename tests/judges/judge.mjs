// What the judges in JavaScript share: their arguments, their plan, their verdict.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { parseArgs } from "node:util";

/** Where `cargo xtask test` installs the packages: not here, so that nothing litters the source. */
export const installed = process.env.JUDGES_DIR ?? join(import.meta.dirname, "../../target/judges");

/** Loads an installed package. Imports would look for it beside this file. */
export const load = createRequire(join(installed, "package.json"));

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    stdio: { type: "boolean" },
    http: { type: "string" },
    mode: { type: "string", multiple: true },
    plan: { type: "string", default: "{}" },
  },
});

/** What the command line says: `http` or `command`, and `mode`. */
export const arguments_ = { ...values, command: positionals };

if (Boolean(values.stdio) === Boolean(values.http) || (values.stdio && positionals.length === 0)) {
  console.error("either --http URL or --stdio -- COMMAND ARGS…");
  process.exit(2);
}

/** The plan for `suite docs`, with what the command line lays over it. */
export function readPlan() {
  const plan = JSON.parse(readFileSync(join(import.meta.dirname, "plan.json"), "utf8"));
  return { ...plan, ...JSON.parse(values.plan) };
}

export function expect(holds, message) {
  if (!holds) throw new Error(message);
}

/** The text blocks of a result of tools/call. */
export function textOf(result) {
  const blocks = result.content.filter((block) => block.type === "text");
  return blocks.map((block) => block.text).join("\n");
}

/** The arguments that the pattern's named groups find in the text of a search. */
export function firstHit(text, pattern) {
  const found = text.match(new RegExp(pattern));
  expect(found, `no hit in: ${text.slice(0, 200)}`);
  return Object.fromEntries(Object.entries(found.groups).filter(([, value]) => value));
}

/** Prints the verdict and ends the process. */
export function finish(judge, runs) {
  const ok = runs.every((run) => Object.values(run.steps).every((step) => step === "ok"));
  const transport = values.stdio ? "stdio" : "http";
  const report = JSON.stringify({ judge, transport, ok, runs }, null, 2);
  process.stdout.write(`${report}\n`, () => process.exit(ok ? 0 : 1));
}
