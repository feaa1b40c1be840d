"""Verifies tokens by PyJWT or joserfc, from the JWKS alone, once for each age of cache.

Speaks the lines of the README beside it. It never asks for a JWKS because of an unknown
`kid`: a cache is renewed for its age and for nothing else. RFC 7517, RFC 7519, RFC 9111 4.2.
"""

import json
import re
import sys
import time
import urllib.request

# No proxy of the environment may stand between this program and a loopback server.
HTTP = urllib.request.build_opener(urllib.request.ProxyHandler({}))
CLAIMS = ("iss", "aud", "exp", "iat", "sub", "jti")


class PyJwt:
    """PyJWT with a set of keys; its own client of the JWKS would fetch because of an unknown `kid`."""

    def __init__(self, issuer, leeway):
        import jwt
        self.jwt, self.issuer, self.leeway = jwt, issuer, leeway

    def keys(self, jwks):
        return {key.key_id: key for key in self.jwt.PyJWKSet.from_dict(jwks).keys}

    def verify(self, keys, token, algorithm, audience):
        header = self.jwt.get_unverified_header(token)
        if header.get("typ") != "at+jwt":
            raise ValueError("another kind of token")
        self.jwt.decode(token, keys[header["kid"]], algorithms=[algorithm], audience=audience,
                        issuer=self.issuer, leeway=self.leeway, options={"require": list(CLAIMS)})


class Joserfc:
    """joserfc with a KeySet."""

    def __init__(self, issuer, leeway):
        from joserfc import jwk, jws, jwt
        self.jwk, self.jws, self.jwt, self.leeway = jwk, jws, jwt, int(leeway)
        self.essential = {name: {"essential": True} for name in CLAIMS} | {"iss": {"essential": True, "value": issuer}}

    def keys(self, jwks):
        return self.jwk.KeySet.import_key_set(jwks)

    def verify(self, keys, token, algorithm, audience):
        registry = self.jws.JWSRegistry(algorithms=[algorithm])
        decoded = self.jwt.decode(token, keys, algorithms=[algorithm], registry=registry)
        if decoded.header.get("typ") != "at+jwt":
            raise ValueError("another kind of token")
        asked = self.essential | {"aud": {"essential": True, "value": audience}}
        self.jwt.JWTClaimsRegistry(leeway=self.leeway, **asked).validate(decoded.claims)


class Cache:
    """One JWKS as a verifier keeps it, and what happened to it."""

    def __init__(self, name, library, jwks_uri):
        self.library, self.jwks_uri = library, jwks_uri
        self.age = None if name == "max-age" else float(name)
        self.fresh_for = self.fetched_at = 0.0
        self.keys, self.kids = None, []
        self.told = dict.fromkeys(("checks", "fetches", "fetch_failures", "checks_over_stale", "longest_stale"), 0)

    def too_old(self, handed):
        """Seconds by which the cache is too old for this check; not above zero for a good one."""
        if self.age == 0:
            # No cache at all: the JWKS must be younger than the question.
            return handed - self.fetched_at
        return time.time() - self.fetched_at - (self.fresh_for if self.age is None else self.age)

    def fetch(self):
        begun = time.time()
        with HTTP.open(self.jwks_uri, timeout=2) as answer:
            control, jwks = answer.headers["Cache-Control"] or "", json.load(answer)
        self.keys, self.kids = self.library.keys(jwks), [key["kid"] for key in jwks["keys"]]
        found = re.search(r"max-age=(\d+)", control)
        self.fresh_for = float(found[1]) if found else 0.0
        # `max-age` counts from the request (RFC 9111 4.2.3); the others keep the document as long as anybody could.
        self.fetched_at = begun if self.age is None else time.time()

    def check(self, handed, token, algorithm, audience):
        """Raises what the library raises when it refuses the token."""
        if self.too_old(handed) > 0:
            try:
                self.fetch()
                self.told["fetches"] += 1
            except (OSError, ValueError):
                self.told["fetch_failures"] += 1
        stale = self.too_old(handed)
        if stale > 0 and self.fetched_at:
            self.told["checks_over_stale"] += 1
            self.told["longest_stale"] = max(self.told["longest_stale"], stale)
        self.told["checks"] += 1
        self.library.verify(self.keys, token, algorithm, audience)


def say(what):
    print(json.dumps(what), flush=True)


def answer(line, caches):
    """Judges one token by each cache; true when it came too late to mean anything."""
    name, handed, latest, algorithm, audience, token = line.split()
    if time.time() >= float(latest):
        return True
    for cache_name, cache in caches.items():
        try:
            cache.check(float(handed), token, algorithm, audience)
        except Exception as error:  # a foreign library may raise anything
            if time.time() >= float(latest):
                return True
            say({"rejected": name, "cache": cache_name, "reason": f"{type(error).__name__}: {error}",
                 "jwks_age": time.time() - cache.fetched_at, "kids": cache.kids})
    return False


def main():
    name, jwks_uri, issuer, leeway, ages = sys.argv[1:]
    library = {"pyjwt": PyJwt, "joserfc": Joserfc}[name](issuer, float(leeway))
    caches = {age: Cache(age, library, jwks_uri) for age in ages.split(",")}
    done = late = 0
    for line in sys.stdin:
        if line == "tell\n":
            say({"done": done, "late": late, "caches": {age: cache.told for age, cache in caches.items()}})
        else:
            done += 1
            late += answer(line, caches)


if __name__ == "__main__":
    main()
