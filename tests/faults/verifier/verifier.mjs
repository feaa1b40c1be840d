// Verifies tokens by npm `jose`, from the JWKS alone, once for each age of cache.
//
// Speaks the lines of the README beside it. It never asks for a JWKS because of an unknown
// `kid`: a cache is renewed for its age and for nothing else. RFC 7517, RFC 7519, RFC 9111 4.2.
// The module is looked for in the folder that JOSE_FROM names, so that nothing is installed beside this file.
import { get } from "node:http";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const [jwksUri, issuer, leeway, ages] = process.argv.slice(2);
const require = createRequire(pathToFileURL(`${process.env.JOSE_FROM ?? process.cwd()}/package.json`));
const { createLocalJWKSet, jwtVerify } = await import(pathToFileURL(require.resolve("jose")));
const now = () => Date.now() / 1000;

// One GET on a connection of its own: {control, jwks}.
function fetchJwks() {
  return new Promise((resolve, reject) => {
    const request = get(jwksUri, { agent: false, timeout: 2000 }, (answer) => {
      let text = "";
      answer.on("data", (part) => { text += part; });
      answer.on("error", reject);
      answer.on("end", () => {
        if (answer.statusCode !== 200) return reject(new Error(`status ${answer.statusCode}`));
        try {
          resolve({ control: answer.headers["cache-control"] ?? "", jwks: JSON.parse(text) });
        } catch (error) {
          reject(error);
        }
      });
    });
    request.on("timeout", () => request.destroy(new Error("no answer in time")));
    request.on("error", reject);
  });
}

// One JWKS as a verifier keeps it, and what happened to it.
class Cache {
  constructor(name) {
    this.name = name;
    this.age = name === "max-age" ? null : Number(name);
    this.freshFor = 0;
    this.fetchedAt = 0;
    this.kids = [];
    this.keys = undefined;
    this.told = { checks: 0, fetches: 0, fetch_failures: 0, checks_over_stale: 0, longest_stale: 0 };
  }

  // Seconds by which the cache is too old for this check; not above zero for a good one.
  tooOld(handed) {
    // No cache at all: the JWKS must be younger than the question.
    if (this.age === 0) return handed - this.fetchedAt;
    return now() - this.fetchedAt - (this.age ?? this.freshFor);
  }

  async fetch() {
    const begun = now();
    const { control, jwks } = await fetchJwks();
    this.keys = createLocalJWKSet(jwks);
    this.kids = jwks.keys.map((key) => key.kid);
    this.freshFor = Number(/max-age=(\d+)/.exec(control)?.[1] ?? 0);
    // `max-age` counts from the request (RFC 9111 4.2.3); the others keep the document as long as anybody could.
    this.fetchedAt = this.age === null ? begun : now();
  }

  // Rejects with what the library rejects with when it refuses the token.
  async check(handed, token, algorithm, audience) {
    if (this.tooOld(handed) > 0) {
      try {
        await this.fetch();
        this.told.fetches += 1;
      } catch {
        this.told.fetch_failures += 1;
      }
    }
    const stale = this.tooOld(handed);
    if (stale > 0 && this.fetchedAt > 0) {
      this.told.checks_over_stale += 1;
      this.told.longest_stale = Math.max(this.told.longest_stale, stale);
    }
    this.told.checks += 1;
    await jwtVerify(token, this.keys, {
      issuer, audience, algorithms: [algorithm], typ: "at+jwt", clockTolerance: Number(leeway),
      requiredClaims: ["iat", "exp", "jti", "sub"],
    });
  }
}

const caches = ages.split(",").map((name) => new Cache(name));
let done = 0;
let late = 0;

// Judges one token by each cache; true when it came too late to mean anything.
async function answer(line) {
  const [name, handed, latest, algorithm, audience, token] = line.split(" ");
  if (now() >= Number(latest)) return true;
  const refusals = await Promise.all(caches.map(async (cache) => {
    try {
      await cache.check(Number(handed), token, algorithm, audience);
      return undefined;
    } catch (error) {
      return { rejected: name, cache: cache.name, reason: `${error.code ?? error.name}: ${error.message}`,
        jwks_age: now() - cache.fetchedAt, kids: cache.kids };
    }
  }));
  if (refusals.every((refusal) => refusal === undefined)) return false;
  if (now() >= Number(latest)) return true;
  for (const refusal of refusals) if (refusal) console.log(JSON.stringify(refusal));
  return false;
}

for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
  if (line === "tell") {
    console.log(JSON.stringify({ done, late, caches: Object.fromEntries(caches.map((cache) => [cache.name, cache.told])) }));
  } else {
    done += 1;
    late += await answer(line) ? 1 : 0;
  }
}
