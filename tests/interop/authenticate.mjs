// npm's oauth4webapi and openid-client as clients: every way of authentication, a token, its verification,
// introspection, revocation. All by their defaults; loopback without TLS is the one thing that they are told.
//
// Usage: node authenticate.mjs FILE, which foreign_clients.py wrote.
// The modules are looked for in the folder that JOSE_FROM names, so that nothing is installed beside this file.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { webcrypto } from "node:crypto";
import { pathToFileURL } from "node:url";

// Node 18 has them, but under no name that libraries look for.
globalThis.crypto ??= webcrypto;
globalThis.CryptoKey ??= webcrypto.CryptoKey;
const from = process.env.JOSE_FROM ?? process.cwd();
const require = createRequire(pathToFileURL(`${from}/package.json`));
// Both are modules without a `require` side: they are named by their files.
const load = (name) => import(pathToFileURL(`${from}/node_modules/${name}/${require(`${from}/node_modules/${name}/package.json`).main}`));
const oauth = await load("oauth4webapi");
const openid = await load("openid-client");

const told = JSON.parse(readFileSync(process.argv[2], "utf8"));
const issuer = new URL(told.issuer);
const insecure = { [oauth.allowInsecureRequests]: true };
const ADDRESSES = { oauth2: "oauth-authorization-server", oidc: "openid-configuration" };
const IMPORTED = {
  ES256: { name: "ECDSA", namedCurve: "P-256" },
  EdDSA: { name: "Ed25519" },
  PS256: { name: "RSA-PSS", hash: "SHA-256" },
};

let failed = 0;
let heading = "";
function check(what, holds, seen = "") {
  console.log(holds ? `ok   ${heading}: ${what}` : `FAIL ${heading}: ${what}: ${JSON.stringify(seen)}`);
  if (!holds) failed += 1;
}

async function passes(what, act) {
  try {
    const result = await act();
    check(what, true);
    return result;
  } catch (error) {
    check(what, false, [error.code, error.message, error.cause]);
    return undefined;
  }
}

// How the libraries take a client's secret or key.
async function authentication(library, client) {
  if (client.method === "client_secret_basic") return library.ClientSecretBasic(client.secret);
  if (client.method === "client_secret_post") return library.ClientSecretPost(client.secret);
  const { alg: _alg, use: _use, ...jwk } = client.key;
  const key = await crypto.subtle.importKey("jwk", jwk, IMPORTED[client.alg], false, ["sign"]);
  return library.PrivateKeyJwt({ key, kid: client.key.kid });
}

// A resource server by RFC 9068 judges the token.
async function accept(server, token, client) {
  const request = new Request("http://127.0.0.1/", { headers: { authorization: `Bearer ${token}` } });
  const claims = await oauth.validateJwtAccessToken(server, request, told.audience, insecure);
  if (claims.client_id !== client.id || claims.scope !== told.scope) throw new Error(JSON.stringify(claims));
}

async function byOauth4webapi(client, algorithm) {
  heading = `oauth4webapi ${client.alg ?? client.method} ${ADDRESSES[algorithm]}`;
  const server = await passes("discovers", async () =>
    oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, { ...insecure, algorithm })));
  if (server === undefined) return;
  const self = { client_id: client.id };
  const how = await authentication(oauth, client);
  const got = await passes("gets a token", async () =>
    oauth.processClientCredentialsResponse(server, self,
      await oauth.clientCredentialsGrantRequest(server, self, how, { scope: told.scope }, insecure)));
  if (got === undefined) return;
  const token = got.access_token;
  await passes("verifies it as a resource server", () => accept(server, token, client));
  const look = async () =>
    oauth.processIntrospectionResponse(server, self, await oauth.introspectionRequest(server, self, how, token, insecure));
  const before = await passes("introspects its token", look);
  check("the token is active", before?.active === true && before?.client_id === client.id, before);
  await passes("revokes its token", async () =>
    oauth.processRevocationResponse(await oauth.revocationRequest(server, self, how, token, insecure)));
  const after = await passes("introspects it again", look);
  check("the token is not active any more", after?.active === false && Object.keys(after).length === 1, after);
}

async function byOpenidClient(client, algorithm) {
  heading = `openid-client ${client.alg ?? client.method} ${ADDRESSES[algorithm]}`;
  const how = await authentication(openid, client);
  const config = await passes("discovers", () =>
    openid.discovery(issuer, client.id, undefined, how, { algorithm, execute: [openid.allowInsecureRequests] }));
  if (config === undefined) return;
  const got = await passes("gets a token", () => openid.clientCredentialsGrant(config, { scope: told.scope }));
  if (got === undefined) return;
  const token = got.access_token;
  check("the token's lifetime is told", got.expiresIn() > 0, got.expires_in);
  await passes("verifies it as a resource server", () => accept(config.serverMetadata(), token, client));
  const before = await passes("introspects its token", () => openid.tokenIntrospection(config, token));
  check("the token is active", before?.active === true && before?.client_id === client.id, before);
  await passes("revokes its token", () => openid.tokenRevocation(config, token));
  const after = await passes("introspects it again", () => openid.tokenIntrospection(config, token));
  check("the token is not active any more", after?.active === false && Object.keys(after).length === 1, after);
}

for (const client of told.clients) {
  for (const algorithm of Object.keys(ADDRESSES)) {
    await byOauth4webapi(client, algorithm);
    await byOpenidClient(client, algorithm);
  }
}
process.exit(failed ? 1 : 0);
