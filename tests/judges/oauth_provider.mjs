#!/usr/bin/env node
// A real authorization server (npm `oidc-provider`, certified for OpenID Connect), in which
// somebody called ann is signed in and agrees to everything.
//
// Usage: oauth_provider.mjs
//
// Prints the port it listens at, and reads from its standard input the resource that its tokens
// are for. Issues RS256 access tokens (RFC 9068) with the scopes docs:read and docs:list: to the
// client `ci` with the secret `secret` by client_credentials, and to clients that register
// themselves (RFC 7591) by authorization_code with PKCE. Ends when its standard input does.

import { generateKeyPairSync } from "node:crypto";
import { createServer } from "node:http";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const installed = process.env.JUDGES_DIR ?? join(import.meta.dirname, "../../target/judges");
const server = createServer();
await new Promise((listens) => server.listen(0, "127.0.0.1", listens));
const issuer = `http://127.0.0.1:${server.address().port}`;
let resource;
const scopes = ["docs:read", "docs:list"];

const entry = join(installed, "node_modules/oidc-provider/lib/index.js");
const { Provider } = await import(pathToFileURL(entry).href);

const jwk = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({ format: "jwk" });

const provider = new Provider(issuer, {
  jwks: { keys: [{ ...jwk, kid: "r1", use: "sig", alg: "RS256" }] },
  clients: [
    {
      client_id: "ci",
      client_secret: "secret",
      grant_types: ["client_credentials"],
      redirect_uris: [],
      response_types: [],
      scope: scopes.join(" "),
    },
  ],
  scopes: ["openid", "offline_access", ...scopes],
  findAccount: (_, id) => ({ accountId: id, claims: async () => ({ sub: id }) }),
  interactions: { url: (_, interaction) => `/agree/${interaction.uid}` },
  cookies: { keys: ["only for tests"] },
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    registration: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => resource,
      useGrantedResource: () => true,
      getResourceServerInfo: (_, asked) => {
        if (asked !== resource) throw new Error(`tokens are for ${resource}, not for ${asked}`);
        return {
          scope: scopes.join(" "),
          audience: asked,
          accessTokenFormat: "jwt",
          accessTokenTTL: 120,
          jwt: { sign: { alg: "RS256" } },
        };
      },
    },
  },
});

/** Signs ann in and agrees in her name, as a person would on the page that stands here. */
provider.use(async (context, next) => {
  if (!context.path.startsWith("/agree/")) return next();
  const { req, res } = context;
  const { prompt, session, params, grantId } = await provider.interactionDetails(req, res);
  let result = { login: { accountId: "ann" } };
  if (prompt.name === "consent") {
    const known = grantId && (await provider.Grant.find(grantId));
    const grant =
      known || new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
    const { missingOIDCScope = [], missingResourceScopes = {} } = prompt.details;
    if (missingOIDCScope.length) grant.addOIDCScope(missingOIDCScope.join(" "));
    for (const [server, missing] of Object.entries(missingResourceScopes)) {
      grant.addResourceScope(server, missing.join(" "));
    }
    result = { consent: { grantId: await grant.save() } };
  }
  context.respond = false;
  return provider.interactionFinished(req, res, result, { mergeWithLastSubmission: true });
});

server.on("request", provider.callback());
// Otherwise it closes a connection just when a client on a slow machine uses it again.
server.keepAliveTimeout = 600_000;
createInterface(process.stdin)
  .on("line", (line) => void (resource = line))
  .on("close", () => process.exit(0));
console.log(server.address().port);
