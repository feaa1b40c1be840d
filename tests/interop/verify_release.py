#!/usr/bin/env python3
"""Verifies what releases keep under `tests/golden/releases`: their tokens by PyJWT and joserfc, at their time and by
the JWKS of that time, and their log by the verifier of `tests/audit`, which shares no code with Mintmark.

usage: verify_release.py FOLDER...
Needs PyJWT, joserfc, cryptography.
"""

import json
import sys
from pathlib import Path

import joserfc.errors
import jwt
from joserfc import jwk
from joserfc import jwt as jose_jwt

from checks import Checks

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "audit"))
from mintmark_audit.note import read_vkey  # noqa: E402
from mintmark_audit.verify import verify_export  # noqa: E402

ISSUER = "https://auth.example.com"
ALGORITHMS = {"ES256", "EdDSA", "RS256", "PS256"}


def read(folder):
    """The key sets by their numbers, and the tokens."""
    keys, tokens = {}, []
    for line in (folder / "tokens.ndjson").read_text().splitlines():
        line = json.loads(line)
        if "token" in line:
            tokens.append(line)
        else:
            keys[line["jwks"]] = line["keys"]
    return keys, tokens


def by_pyjwt(given, keys):
    """PyJWT knows no time but now, so the times are looked at here."""
    key = jwt.PyJWKSet.from_dict(keys)[given["kid"]]
    claims = jwt.decode(given["token"], key, algorithms=[given["alg"]], audience=given["aud"], issuer=ISSUER,
                        options={"verify_exp": False, "verify_iat": False, "require": ["exp", "iat", "jti"]})
    if (claims["iat"], claims["exp"]) != (given["at"], given["exp"]):
        raise ValueError(f"other times: {claims}")
    return claims


def by_joserfc(given, keys, now):
    token = jose_jwt.decode(given["token"], jwk.KeySet.import_key_set(keys), algorithms=[given["alg"]])
    jose_jwt.JWTClaimsRegistry(
        now=now, leeway=0, iss={"essential": True, "value": ISSUER}, aud={"essential": True, "value": given["aud"]},
        exp={"essential": True}, iat={"essential": True}).validate(token.claims)
    return token.claims


def check_tokens(checks, folder):
    keys, tokens = read(folder)
    checks.check("each algorithm is there", {given["alg"] for given in tokens} == ALGORITHMS)
    for number, given in enumerate(tokens):
        served = keys[given["jwks"]]
        what = f"token {number} ({given['alg']})"
        checks.passes(f"{what} by PyJWT", lambda: by_pyjwt(given, served))
        checks.passes(f"{what} by joserfc at its time", lambda: by_joserfc(given, served, given["at"]))
        checks.refuses(f"{what} by joserfc after its end", lambda: by_joserfc(given, served, given["exp"] + 1),
                       (joserfc.errors.ExpiredTokenError,))


def main():
    folders = [Path(name) for name in sys.argv[1:]]
    if not folders:
        sys.exit("usage: verify_release.py FOLDER...")
    failed = 0
    for folder in folders:
        checks = Checks(f"release {folder.name}")
        check_tokens(checks, folder)
        vkey = read_vkey((folder / "vkey").read_bytes())
        verdict = verify_export((folder / "log.ndjson").read_bytes(), vkey, None)
        checks.check("its log verifies", verdict.ok, verdict)
        failed += checks.failed
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
