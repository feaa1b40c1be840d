"""Keys of clients and the signatures that they, or somebody who only knows their public half, can make.

`cryptography` computes; the compact form is put together by hand, because libraries refuse to make
most of what is needed here.
"""

import base64
import hashlib
import hmac
import json

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

ALGORITHMS = ("ES256", "PS256", "EdDSA")
HASHES = {"256": hashes.SHA256, "384": hashes.SHA384, "512": hashes.SHA512}
CURVES = {"ES256": (ec.SECP256R1, 32), "ES384": (ec.SECP384R1, 48), "ES512": (ec.SECP521R1, 66), "ES256K": (ec.SECP256K1, 32)}
# The order of P-256's group: for each signature (r, s) there is (r, ORDER - s), which is as good.
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def b64(data):
    """base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value, length=None):
    """A number as JOSE writes it."""
    return b64(value.to_bytes(length or (value.bit_length() + 7) // 8 or 1, "big"))


def generate(alg):
    """A private key that fits the algorithm."""
    if alg in CURVES:
        return ec.generate_private_key(CURVES[alg][0]())
    if alg == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    return rsa.generate_private_key(65537, 2048)


def public_jwk(private, alg):
    """The public half, without `kid`."""
    public = private.public_key()
    if isinstance(public, ed25519.Ed25519PublicKey):
        raw = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        return {"kty": "OKP", "crv": "Ed25519", "x": b64(raw), "alg": alg, "use": "sig"}
    numbers = public.public_numbers()
    if isinstance(public, rsa.RSAPublicKey):
        return {"kty": "RSA", "n": number(numbers.n), "e": number(numbers.e), "alg": alg, "use": "sig"}
    length = CURVES[alg][1]
    names = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521", "ES256K": "secp256k1"}
    return {"kty": "EC", "crv": names[alg], "x": number(numbers.x, length), "y": number(numbers.y, length),
            "alg": alg, "use": "sig"}


def ecdsa(private, digest, length, data):
    """r and s, each of `length` bytes."""
    r, s = decode_dss_signature(private.sign(data, ec.ECDSA(digest())))
    return r.to_bytes(length, "big") + s.to_bytes(length, "big")


def pss(private, data, digest=hashes.SHA256, salt=None, mask=None):
    """RSASSA-PSS; `salt` is as long as the hash unless told otherwise."""
    length = digest.digest_size if salt is None else salt
    return private.sign(data, padding.PSS(mgf=padding.MGF1((mask or digest)()), salt_length=length), digest())


def sign(private, alg, data):
    """The signature of an algorithm's name by a key of its family."""
    if isinstance(private, ed25519.Ed25519PrivateKey):
        return private.sign(data)
    if isinstance(private, ec.EllipticCurvePrivateKey):
        return ecdsa(private, HASHES[alg[2:5]], (private.curve.key_size + 7) // 8, data)
    if alg.startswith("PS"):
        return pss(private, data, HASHES[alg[2:]])
    return private.sign(data, padding.PKCS1v15(), HASHES[alg[2:]]())


class Key:
    """One key of a client, with the name that the client gave it."""

    def __init__(self, alg, kid):
        self.alg, self.kid = alg, kid
        self.private = generate(alg)
        self.jwk = public_jwk(self.private, alg) | {"kid": kid}

    def sign(self, data):
        return sign(self.private, self.alg, data)

    def public_texts(self):
        """The public key as anybody may have it: what an HMAC under a confused verifier would be keyed with."""
        public = self.private.public_key()
        spki = serialization.PublicFormat.SubjectPublicKeyInfo
        pem = public.public_bytes(serialization.Encoding.PEM, spki)
        texts = {
            "PEM": pem, "PEM without its last line feed": pem.rstrip(b"\n"),
            "DER": public.public_bytes(serialization.Encoding.DER, spki),
            "JWK": json.dumps(self.jwk).encode(), "nothing": b"", "kid": self.kid.encode(),
        }
        for name in ("x", "n"):
            if name in self.jwk:
                texts[f"{name} as text"] = self.jwk[name].encode()
                texts[f"{name} as bytes"] = base64.urlsafe_b64decode(self.jwk[name] + "==")
        return texts


def mac(alg, secret, data):
    """HS256, HS384, HS512."""
    return hmac.new(secret, data, getattr(hashlib, f"sha{alg[2:]}")).digest()


def compact(header, claims, signer):
    """A compact JWS; header and claims are objects, or bytes that stand as they are."""
    parts = [b64(part if isinstance(part, bytes) else json.dumps(part).encode()) for part in (header, claims)]
    signed = ".".join(parts)
    return f"{signed}.{b64(signer(signed.encode()))}"
