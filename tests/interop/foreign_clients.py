"""One client for each way of authentication, registered as an operator does, with what a foreign client library needs.

The file that `register` writes is what authenticate.py and authenticate.mjs read: the issuer, what to
ask for, and for each client its method with its secret or its private key.
"""

import json

from joserfc.jwk import ECKey, OKPKey, RSAKey

RESOURCE = "https://api.example/foreign"
SCOPE = "foreign:read"
KEYS = {
    "ES256": lambda: ECKey.generate_key("P-256"),
    "EdDSA": lambda: OKPKey.generate_key("Ed25519"),
    "PS256": lambda: RSAKey.generate_key(2048),
}


def private_file(path, text):
    """A file that only its owner reads."""
    path.touch(mode=0o600)
    path.write_text(text)
    return path


def register(server):
    """The clients; gives the path of the file."""
    server.admin("resource", "set", RESOURCE, "--alg", "ES256")
    server.admin("scope", "set", SCOPE, "--resource", RESOURCE, "--limit", "10000/1s")
    clients = []
    for method in ("client_secret_basic", "client_secret_post"):
        made = server.admin("client", "create", f"foreign-{method}", "--scope", SCOPE, "--auth", method)
        clients.append({"id": made["client_id"], "method": method, "secret": made["client_secret"]})
    for alg, make in KEYS.items():
        key, client = make(), f"foreign-{alg.lower()}"
        jwk = key.as_dict(private=False) | {"alg": alg, "use": "sig", "kid": key.thumbprint()}
        file = server.home / f"{client}.jwks"
        file.write_text(json.dumps({"keys": [jwk]}))
        server.admin("client", "create", client, "--scope", SCOPE, "--auth", "private_key_jwt", "--jwks", str(file))
        clients.append({"id": client, "method": "private_key_jwt", "alg": alg,
                        "key": key.as_dict(private=True) | {"kid": key.thumbprint()}})
    told = {"issuer": server.url, "audience": RESOURCE, "scope": SCOPE, "clients": clients}
    return private_file(server.home / "foreign-clients.json", json.dumps(told))
