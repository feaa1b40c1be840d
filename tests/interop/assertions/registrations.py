"""Key sets that no client may be registered with: each is refused, and nothing of it is kept."""

import json

from cryptography.hazmat.primitives.asymmetric import rsa

import keys
from keys import b64, number

SMALL = rsa.generate_private_key(65537, 1024)


def rsa_private():
    """The private members of a true RSA key."""
    private = rsa.generate_private_key(65537, 2048)
    numbers = private.private_numbers()
    return keys.public_jwk(private, "PS256") | {"kid": "k"}, {
        "d": number(numbers.d), "p": number(numbers.p), "q": number(numbers.q), "dp": number(numbers.dmp1),
        "dq": number(numbers.dmq1), "qi": number(numbers.iqmp), "oth": [{"r": "AQ", "d": "AQ", "t": "AQ"}]}


def one(jwk):
    return {"keys": [jwk]}


def private_members():
    """A private half, whole or in part, whatever the type."""
    good, private = rsa_private()
    for name, value in private.items():
        yield f"an RSA key with {name}", one(good | {name: value})
    yield "a whole private RSA key", one(good | private)
    for alg in ("ES256", "EdDSA"):
        jwk = keys.Key(alg, "k").jwk
        yield f"a private key of {alg}", one(jwk | {"d": b64(bytes(range(32)))})
        yield f"a key of {alg} with an empty d", one(jwk | {"d": ""})
        yield f"a key of {alg} with d null", one(jwk | {"d": None})
        yield f"a key of {alg} with k", one(jwk | {"k": "AAAA"})
        yield f"a private key of {alg} behind a good one", {"keys": [jwk, jwk | {"kid": "l", "d": b64(bytes(32))}]}
    yield "a symmetric key", one({"kty": "oct", "k": b64(b"s" * 32), "kid": "k"})
    yield "a symmetric key for HS256", one({"kty": "oct", "k": b64(b"s" * 32), "alg": "HS256", "use": "sig"})
    yield "a symmetric key behind a good one", {"keys": [keys.Key("ES256", "k").jwk, {"kty": "oct", "k": "AAAA", "kid": "l"}]}


def rsa_numbers():
    """Moduli and exponents that are too small, even or beyond."""
    good, _ = rsa_private()
    modulus = int.from_bytes(keys.base64.urlsafe_b64decode(good["n"] + "=="), "big")
    small = SMALL.public_key().public_numbers().n
    for what, value in {"of 1024 bits": small, "of 512 bits": small >> 512 | 1, "of 2040 bits": modulus >> 8 | 1, "even": modulus ^ 1, "of all ones": 2**2048 - 1,
                        "a power of two": 2**2047, "of 16384 bits": 2**16384 - 1, "one": 1, "zero": 0,
                        "a multiple of three": modulus - modulus % 3 + (3 if (modulus - modulus % 3) % 2 == 0 else 0),
                        "a square": 2**1024 * 2**1024 - 2**1025 + 1}.items():
        yield f"an RSA modulus {what}", one(good | {"n": number(value)})
    for what, value in {"one": 1, "zero": 0, "two": 2, "even": 65536, "beyond 2**33": 2**33 + 1, "of 2048 bits": modulus - 2}.items():
        yield f"an RSA exponent {what}", one(good | {"e": number(value)})
    for what, bad in (("a leading zero byte in n", {"n": b64(b"\0" + keys.base64.urlsafe_b64decode(good["n"] + "=="))}),
                      ("padding in e", {"e": "AQAB===="}), ("an empty n", {"n": ""}), ("an empty e", {"e": ""}),
                      ("a number as n", {"n": modulus}), ("n as hex", {"n": hex(modulus)}), ("n null", {"n": None}), ("an array as e", {"e": ["AQAB"]})):
        yield f"an RSA key with {what}", one(good | bad)
    for name in ("n", "e", "kty"):
        yield f"an RSA key without {name}", one({key: value for key, value in good.items() if key != name})


def curve_points():
    """Points that are not on the curve, and texts that are no point."""
    good = keys.Key("ES256", "k").jwk
    prime = 2**256 - 2**224 + 2**192 + 2**96 - 1
    x, y = good["x"], good["y"]
    for what, bad in {"a point off the curve": {"y": x}, "x and y zero": {"x": b64(bytes(32)), "y": b64(bytes(32))},
                      "x the prime": {"x": b64(prime.to_bytes(32, "big"))}, "x beyond the prime": {"x": b64(b"\xff" * 32)},
                      "x of 31 bytes": {"x": b64(bytes(31))}, "x of 33 bytes": {"x": b64(bytes(33))}, "y of 33 bytes": {"y": b64(bytes(33))},
                      "x and y changed": {"x": y, "y": x}, "an empty x": {"x": ""}, "padding": {"x": x + "="}, "a line feed": {"x": x + "\n"},
                      "a compressed point": {"x": b64(b"\x02" + bytes(32)), "y": ""}, "a number as x": {"x": 7}, "y null": {"y": None},
                      "the curve P-384": {"crv": "P-384"}, "the curve P-521": {"crv": "P-521"}, "the curve secp256k1": {"crv": "secp256k1"},
                      "the curve p-256": {"crv": "p-256"}, "the curve Ed25519": {"crv": "Ed25519"}, "crv null": {"crv": None}}.items():
        yield f"an EC key with {what}", one(good | bad)
    for name in ("x", "y", "crv", "kty"):
        yield f"an EC key without {name}", one({key: value for key, value in good.items() if key != name})
    other = keys.public_jwk(keys.generate("ES384"), "ES384") | {"kid": "k"}
    yield "a key of ES384 alone", one(other)
    good = keys.Key("EdDSA", "k").jwk
    for what, bad in {"31 bytes": {"x": b64(bytes(range(31)))}, "33 bytes": {"x": b64(bytes(range(33)))}, "no x": {"x": None}, "y too": {"x": "", "y": "AA"},
                      "the curve X25519": {"crv": "X25519"}, "the curve Ed448": {"crv": "Ed448"}, "the curve P-256": {"crv": "P-256"},
                      "a point of small order (zero)": {"x": b64(bytes(32))}, "a point of small order (one)": {"x": b64(b"\x01" + bytes(31))},
                      "no point": {"x": b64(b"\x02" + bytes(31))}, "y beyond the prime": {"x": b64(b"\xff" * 32)}}.items():
        yield f"an OKP key with {what}", one(good | bad)


def members():
    """Members that say that the key is for something else, or that are of the wrong kind."""
    for alg in keys.ALGORITHMS:
        good = keys.Key(alg, "k").jwk
        for bad in ({"use": "enc"}, {"use": ""}, {"use": 1}, {"key_ops": ["encrypt"]}, {"key_ops": ["sign"]}, {"key_ops": "verify"},
                    {"alg": "none"}, {"alg": "HS256"}, {"alg": "ES384"}, {"alg": "RSA-OAEP"}, {"alg": 1}, {"alg": alg.lower()},
                    {"kty": "oct"}, {"kty": alg}, {"kty": 1}, {"kid": 1}, {"kid": ""}, {"kid": "k" * 5000}, {"kid": None}, {"kid": ["k"]}):
            yield f"{alg} with {json.dumps(bad)[:40]}", one(good | bad)
        for wrong in keys.ALGORITHMS:
            if wrong != alg:
                yield f"{alg}'s key as {wrong}", one(good | {"alg": wrong})


def sets():
    """Sets that are too large, ambiguous or none."""
    good = keys.Key("ES256", "k").jwk
    eleven = [keys.Key("ES256", f"k{index}").jwk for index in range(11)]
    yield "eleven keys", {"keys": eleven}
    yield "two keys of one kid", {"keys": [good, keys.Key("ES256", "k").jwk]}
    yield "two keys of one kid and different kinds", {"keys": [good, keys.Key("EdDSA", "k").jwk]}
    yield "one key twice", {"keys": [good, good]}
    rsa_key = keys.Key("PS256", "k").jwk
    yield "one key for two algorithms", {"keys": [rsa_key, rsa_key | {"kid": "l", "alg": "RS256"}]}
    yield "33 KiB", {"keys": [good | {"x-filler": "x" * 33 * 1024}]}
    for what, bad in {"no keys": {"keys": []}, "nothing": {}, "keys null": {"keys": None}, "keys an object": {"keys": good}, "keys text": {"keys": "k"},
                      "an array": [good], "a key alone": good, "text": json.dumps(one(good)), "null in keys": {"keys": [None]},
                      "text in keys": {"keys": ["k"]}, "an array in keys": {"keys": [[good]]}, "an empty key": {"keys": [{}]},
                      "null": None, "a number": 1, "true": True}.items():
        yield f"{what} for a key set", bad


def tables():
    """(what, key set) of each."""
    for table in (private_members, rsa_numbers, curve_points, members, sets):
        yield from table()


def bodies(registration):
    """(what, body) of registrations that are wrong as a whole; `registration(id)` makes a right one without keys."""
    good = one(keys.Key("ES256", "k").jwk)
    right = registration | {"jwks": good}
    yield "no key set", registration
    yield "a key set for a client with a secret", right | {"token_endpoint_auth_method": "client_secret_basic"}
    yield "jwks_uri", registration | {"jwks_uri": "https://client.example/jwks"}
    yield "jwks_uri beside a key set", right | {"jwks_uri": "http://127.0.0.1/"}
    for method in ("client_secret_jwt", "none", "tls_client_auth", "self_signed_tls_client_auth", "PRIVATE_KEY_JWT", "", None, 1):
        yield f"the method {method}", right | {"token_endpoint_auth_method": method}
    text = json.dumps(right)
    yield "the key set twice", f'{text[:-1]}, "jwks": {json.dumps(good)}}}'.encode()
    yield "a member of the key twice", text.replace('"kty":', '"kty": "oct", "kty":').encode()
    yield "a number that is none", text.replace('"kid": "k"', '"kid": "k", "y-filler": NaN').encode()
    yield "keys nested too deep", text.replace('"kid": "k"', '"kid": "k", "z": ' + "[" * 200 + "]" * 200).encode()
