#!/usr/bin/env python3
"""Authlib as a client: every way of authentication, a token, its verification, introspection, revocation.

Usage: authenticate.py FILE, which foreign_clients.py wrote. Authlib has no discovery for the client
credentials grant, so the metadata document is read by its own model, from each of both addresses.
For assertions its defaults are changed in two things: the algorithm, and the issuer as audience.
"""

import json
import os
import sys
import time
from pathlib import Path

import requests
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from authlib.oauth2.rfc9068 import JWTBearerTokenValidator
from joserfc.jwk import KeySet, import_key

from checks import Checks

# Authlib asks for TLS but where it is told that this is a test on loopback.
os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"
ADDRESSES = ("/.well-known/oauth-authorization-server", "/.well-known/openid-configuration")


def direct(session):
    """The same session; no proxy of the environment may stand between it and a loopback server."""
    session.trust_env = False
    return session


class Validator(JWTBearerTokenValidator):
    """A resource server by RFC 9068, whose keys come from the JWKS."""

    def __init__(self, metadata, audience):
        super().__init__(metadata["issuer"], audience)
        self.jwks = direct(requests.Session()).get(metadata["jwks_uri"], timeout=10).json()

    def get_jwks(self):
        return KeySet.import_key_set(self.jwks)

    def claims(self, token, scope):
        """The claims of a good token; raises for each other."""
        claims = self.authenticate_token(token)
        self.validate_token(claims, [scope], None)
        return claims


def session(told, client, metadata):
    """A client as its developer would write it."""
    method = client["method"]
    made = direct(OAuth2Session(
        client["id"], import_key(client["key"]) if method == "private_key_jwt" else client["secret"],
        token_endpoint_auth_method=method, revocation_endpoint_auth_method=method, scope=told["scope"]))
    if method == "private_key_jwt":
        made.register_client_auth_method(PrivateKeyJWT(
            metadata["issuer"], headers={"kid": client["key"]["kid"]}, alg=client["alg"]))
    return made


def discover(told, address):
    """The metadata document, as Authlib's model judges it."""
    document = direct(requests.Session()).get(told["issuer"] + address, timeout=10).json()
    # What the model asks of an issuer that shows a login page does not concern one without.
    AuthorizationServerMetadata(document).validate_jwks_uri()
    if document["issuer"] != told["issuer"]:
        raise ValueError(f"another issuer: {document['issuer']}")
    return document


def look_and_revoke(checks, made, metadata, token):
    """The token is active until it is revoked."""
    def look():
        return made.introspect_token(metadata["introspection_endpoint"], token=token).json()

    seen = checks.passes("introspects its token", look) or {}
    checks.check("the token is active", seen.get("active") is True and seen.get("client_id") == made.client_id, seen)
    answer = checks.passes("revokes its token", lambda: made.revoke_token(metadata["revocation_endpoint"], token=token))
    checks.check("the revocation is answered by 200", answer is not None and answer.status_code == 200, answer)
    seen = checks.passes("introspects it again", look)
    checks.check("the token is not active any more", seen == {"active": False}, seen)


def judge(told, client, address):
    """One client, from one address of the metadata."""
    what = client.get("alg", client["method"])
    checks = Checks(f"authlib {what} {address.rsplit('/', 1)[1]}")
    metadata = checks.passes("discovers", lambda: discover(told, address))
    if metadata is None:
        return checks
    checks.check("the method is offered", client["method"] in metadata["token_endpoint_auth_methods_supported"], metadata)
    made = session(told, client, metadata)
    token = checks.passes("gets a token", lambda: made.fetch_token(metadata["token_endpoint"],
                                                                   grant_type="client_credentials"))
    if token is None:
        return checks
    checks.check("the token expires in the future", token["expires_at"] > time.time(), token.get("expires_at"))
    claims = checks.passes("verifies it as a resource server", lambda: Validator(metadata, told["audience"]).claims(
        token["access_token"], told["scope"]))
    checks.check("the token is this client's", claims and claims["client_id"] == client["id"], claims)
    look_and_revoke(checks, made, metadata, token["access_token"])
    return checks


def main():
    told = json.loads(Path(sys.argv[1]).read_text())
    done = [judge(told, client, address) for client in told["clients"] for address in ADDRESSES]
    sys.exit(1 if any(checks.failed for checks in done) else 0)


if __name__ == "__main__":
    main()
