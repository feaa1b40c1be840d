// Verifies a token that `verify_token.py --save` got, from the running server's JWKS alone: npm `jose`.
//
// Usage: node verify_token.mjs ISSUER AUDIENCE ALG TOKEN_FILE
// The module is looked for in the folder that JOSE_FROM names, so that nothing is installed beside this file.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [issuer, audience, alg, tokenFile] = process.argv.slice(2);
const from = process.env.JOSE_FROM ?? process.cwd();
const require = createRequire(pathToFileURL(`${from}/package.json`));
const { createRemoteJWKSet, jwtVerify } = await import(pathToFileURL(require.resolve("jose")));

let failed = 0;
function check(what, holds, seen = "") {
  console.log(holds ? `ok   jose ${alg}: ${what}` : `FAIL jose ${alg}: ${what}: ${JSON.stringify(seen)}`);
  if (!holds) failed += 1;
}

const metadata = await (await fetch(`${issuer}/.well-known/oauth-authorization-server`)).json();
const keys = createRemoteJWKSet(new URL(metadata.jwks_uri));
const token = readFileSync(tokenFile, "utf8").trim();
const expected = { issuer, audience, typ: "at+jwt", algorithms: [alg], requiredClaims: ["iat", "exp", "jti", "sub"] };

async function verify(text, options = expected) {
  try {
    return { verified: await jwtVerify(text, keys, options) };
  } catch (error) {
    return { code: error.code ?? String(error) };
  }
}

const good = await verify(token);
check("verifies from the JWKS with typ at+jwt", good.verified !== undefined, good.code);
check("the scope is readable", typeof good.verified?.payload.scope === "string", good.verified?.payload);

const [header, , signature] = token.split(".");
const claims = { ...good.verified?.payload, scope: "admin" };
const payload = Buffer.from(JSON.stringify(claims)).toString("base64url");
const changed = await verify(`${header}.${payload}.${signature}`);
check("refuses changed claims", changed.code === "ERR_JWS_SIGNATURE_VERIFICATION_FAILED", changed);

const elsewhere = await verify(token, { ...expected, audience: "https://other.example" });
check("refuses another audience", elsewhere.code === "ERR_JWT_CLAIM_VALIDATION_FAILED", elsewhere);

process.exit(failed ? 1 : 0);
