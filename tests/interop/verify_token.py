#!/usr/bin/env python3
"""Gets one token and verifies it from the running server's JWKS alone: PyJWT and joserfc.

Also holds the shape that RFC 9068 and Mintmark promise: exactly which header members and
claims there are. Needs PyJWT, joserfc, cryptography.
"""

import argparse
import base64
import json
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import joserfc.errors
import jwt
from joserfc import jwk
from joserfc import jwt as jose_jwt
from joserfc.jws import JWSRegistry

from checks import Checks

CLAIMS = {"iss", "sub", "aud", "client_id", "scope", "iat", "exp", "jti"}
METADATA = "/.well-known/oauth-authorization-server"
# No proxy of the environment may stand between this program and a loopback server.
HTTP = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True, help="the issuer, which is also where it listens")
    parser.add_argument("--client", required=True)
    parser.add_argument("--secret-file", required=True, type=Path)
    parser.add_argument("--scope", required=True)
    parser.add_argument("--audience", required=True)
    parser.add_argument("--alg", required=True)
    parser.add_argument("--lifetime", type=int, default=600, help="seconds from iat to exp")
    parser.add_argument("--claim", action="append", default=[], help="a static claim, NAME=VALUE")
    parser.add_argument("--save", type=Path, help="write the token here for the next program")
    return parser.parse_args()


def fetch(url):
    """(headers, JSON) of one GET."""
    with HTTP.open(url, timeout=10) as answer:
        return answer.headers, json.load(answer)


def get_token(url, args):
    """(status, headers, JSON) of one client_credentials request."""
    pair = f"{args.client}:{urllib.parse.quote(args.secret_file.read_text().strip(), safe='')}"
    form = urllib.parse.urlencode({"grant_type": "client_credentials", "scope": args.scope})
    request = urllib.request.Request(url, form.encode(), {
        "Authorization": "Basic " + base64.b64encode(pair.encode()).decode(),
        "Content-Type": "application/x-www-form-urlencoded",
    })
    try:
        with HTTP.open(request, timeout=10) as answer:
            return answer.status, answer.headers, json.load(answer)
    except urllib.error.HTTPError as refusal:
        return refusal.code, refusal.headers, json.load(refusal)


def tampered(token):
    """The same token with another claim: its signature no longer holds."""
    header, _, signature = token.split(".")
    claims = jwt.decode(token, options={"verify_signature": False}) | {"scope": "admin"}
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"{header}.{payload}.{signature}"


def check_answer(args, token_endpoint):
    """The token endpoint's answer; gives the token."""
    checks = Checks(f"endpoint {args.alg}")
    status, headers, body = get_token(token_endpoint, args)
    if not checks.check("a token is issued", status == 200, (status, body)):
        checks.end()
    checks.check("the body has exactly the promised members",
                 set(body) == {"access_token", "token_type", "expires_in", "scope"}, sorted(body))
    checks.check("token_type is Bearer", body["token_type"] == "Bearer", body["token_type"])
    checks.check("expires_in is the lifetime", body["expires_in"] == args.lifetime, body["expires_in"])
    checks.check("scope is what was asked", body["scope"] == args.scope, body["scope"])
    checks.check("the answer is not cached", headers["Cache-Control"] == "no-store", headers["Cache-Control"])
    checks.check("the rate limit is told", headers["RateLimit"] and headers["RateLimit-Policy"], dict(headers))
    return body["access_token"], checks


def check_shape(args, token, claims):
    """Which header members and claims there are, and what they say."""
    checks = Checks(f"shape {args.alg}")
    header = jwt.get_unverified_header(token)
    static = dict(pair.split("=", 1) for pair in args.claim)
    checks.check("the header is exactly typ, alg, kid", set(header) == {"typ", "alg", "kid"}, header)
    checks.check("typ is at+jwt", header.get("typ") == "at+jwt", header)
    checks.check("alg is the resource's", header.get("alg") == args.alg, header)
    checks.check("the claims are exactly the promised ones", set(claims) == CLAIMS | set(static), sorted(claims))
    checks.check("iss is the issuer byte for byte", claims.get("iss") == args.url, claims.get("iss"))
    checks.check("aud is one string", claims.get("aud") == args.audience, claims.get("aud"))
    checks.check("sub and client_id are the client",
                 claims.get("sub") == claims.get("client_id") == args.client, claims)
    checks.check("exp - iat is the lifetime", claims["exp"] - claims["iat"] == args.lifetime, claims)
    for name, value in static.items():
        checks.check(f"the static claim {name} is there", claims.get(name) == value, claims.get(name))
    return checks


def check_pyjwt(args, jwks_uri, token):
    """PyJWT, with its own client of the JWKS; gives the verified claims."""
    checks = Checks(f"pyjwt {args.alg}")

    def verify(text, audience=args.audience):
        key = jwt.PyJWKClient(jwks_uri).get_signing_key_from_jwt(text)
        return jwt.decode(text, key, algorithms=[args.alg], audience=audience, issuer=args.url,
                          options={"require": ["exp", "iat", "iss", "aud", "sub", "jti"]})

    claims = checks.passes("verifies from the JWKS", lambda: verify(token))
    checks.refuses("refuses changed claims", lambda: verify(tampered(token)), jwt.InvalidSignatureError)
    checks.refuses("refuses another audience", lambda: verify(token, "https://other.example"),
                   jwt.InvalidAudienceError)
    return claims, checks


def check_joserfc(args, jwks, token):
    """joserfc, over the same document."""
    checks = Checks(f"joserfc {args.alg}")
    registry = JWSRegistry(algorithms=[args.alg])

    def verify(text):
        decoded = jose_jwt.decode(text, jwk.KeySet.import_key_set(jwks), algorithms=[args.alg], registry=registry)
        jose_jwt.JWTClaimsRegistry(
            iss={"essential": True, "value": args.url}, aud={"essential": True, "value": args.audience},
            exp={"essential": True}, iat={"essential": True},
        ).validate(decoded.claims)
        return decoded.claims

    checks.passes("verifies from the JWKS", lambda: verify(token))
    checks.refuses("refuses changed claims", lambda: verify(tampered(token)), joserfc.errors.BadSignatureError)
    return checks


def check_documents(args):
    """Metadata and JWKS; gives both addresses' content."""
    checks = Checks(f"documents {args.alg}")
    _, metadata = fetch(args.url + METADATA)
    checks.check("the metadata names the issuer", metadata.get("issuer") == args.url, metadata.get("issuer"))
    headers, jwks = fetch(metadata["jwks_uri"])
    private = {"d", "p", "q", "dp", "dq", "qi", "k", "oth"}
    checks.check("the JWKS holds nothing private", not any(private & set(key) for key in jwks["keys"]), jwks)
    checks.check("the JWKS may be cached", "max-age=" in (headers["Cache-Control"] or ""), dict(headers))
    return metadata, jwks, checks


def main():
    args = arguments()
    metadata, jwks, documents = check_documents(args)
    token, answer = check_answer(args, metadata["token_endpoint"])
    if args.save:
        args.save.write_text(token + "\n")
    claims, pyjwt = check_pyjwt(args, metadata["jwks_uri"], token)
    done = [documents, answer, pyjwt, check_joserfc(args, jwks, token)]
    if claims is not None:
        done.append(check_shape(args, token, claims))
    sys.exit(1 if any(part.failed for part in done) else 0)


if __name__ == "__main__":
    main()
