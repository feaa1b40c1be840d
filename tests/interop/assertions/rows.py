"""Hostile assertions, row by row of what must be withstood, with the answer that each must get.

Each function yields (what, form, answer): the form is made at the moment it is asked for, so that its
times are right. The answer is one of `REFUSED`, `MALFORMED` and `TOKEN`. A row whose deviation were
overlooked would be a good assertion: everything else about it is right, and its `jti` is new.
"""

import json
import secrets
import time

from cryptography.hazmat.primitives import hashes

import keys
from keys import b64, compact
from wire import ASSERTION_TYPE, asks

TOKEN = (200, None)
REFUSED = (401, "invalid_client")
MALFORMED = (400, "invalid_request")
# Stands for a member that is left out.
GONE = object()
MAX_LENGTH = 8192


class Maker:
    """Makes assertions of one client. `other` is another client of the same kind, `stranger` a key that nobody registered."""

    def __init__(self, issuer, scope, client, key, other, listener):
        self.issuer, self.scope, self.client, self.key, self.listener = issuer, scope, client, key, listener
        self.other, self.other_key = other
        self.stranger = keys.Key(key.alg, key.kid)

    def header(self, **more):
        return self.without({"alg": self.key.alg, "kid": self.key.kid} | more)

    def claims(self, **more):
        now = int(time.time())
        return self.without({"iss": self.client, "sub": self.client, "aud": self.issuer, "iat": now, "exp": now + 60,
                             "jti": secrets.token_urlsafe(16)} | more)

    @staticmethod
    def without(members):
        return {name: value for name, value in members.items() if value is not GONE}

    def make(self, header=None, claims=None, signer=None):
        """The compact form; what is not given is right."""
        return compact(header if header is not None else self.header(),
                       claims if claims is not None else self.claims(), signer or self.key.sign)

    def form(self, header=None, claims=None, signer=None):
        return asks(self.make(header, claims, signer), self.scope)

    def claiming(self, **more):
        return self.form(claims=self.claims(**more))

    def heading(self, **more):
        return self.form(header=self.header(**more))

    def text(self, part, **more):
        """Header or claims as JSON text, to be bent by hand."""
        return json.dumps(getattr(self, part)(**more))


def good(maker):
    """What must be let in, else all that is refused says nothing."""
    now = int(time.time())
    yield "plain", maker.form(), TOKEN
    yield "typ JWT", maker.heading(typ="JWT"), TOKEN
    yield "typ client-authentication+jwt", maker.heading(typ="client-authentication+jwt"), TOKEN
    if maker.key.alg == "EdDSA":
        yield "the name that RFC 9864 has for it", maker.heading(alg="Ed25519"), TOKEN
    yield "client_id beside it", maker.form() + [("client_id", maker.client)], TOKEN
    yield "iat 8 s ahead", maker.claiming(iat=now + 8), TOKEN
    yield "nbf 8 s ahead", maker.claiming(nbf=now + 8), TOKEN
    yield "exp an hour ahead", maker.claiming(exp=now + 3600), TOKEN
    yield "jti of 256 characters", maker.claiming(jti=secrets.token_hex(128)), TOKEN
    yield "claims that mean nothing here", maker.claiming(foo="bar", scope="admin", nested={"a": [1]}), TOKEN
    padded = maker.claims(filler="")
    room = MAX_LENGTH - len(maker.make(claims=padded))
    while len(maker.make(claims=padded | {"filler": "x" * room})) > MAX_LENGTH:
        room -= 1
    yield "as long as it may be", maker.form(claims=padded | {"filler": "x" * room}), TOKEN


def c1_algorithms(maker):
    """Only the algorithm that the key was registered for."""
    for name in ("none", "nOnE", "None", "NONE"):
        yield f"alg {name} without signature", maker.form(maker.header(alg=name), signer=lambda _: b""), REFUSED
        yield f"alg {name} with a signature", maker.heading(alg=name), REFUSED
        yield f"alg {name} without kid", maker.form(maker.header(alg=name, kid=GONE), signer=lambda _: b""), REFUSED
    for name in ("HS256", "HS384", "HS512"):
        for form, secret in maker.key.public_texts().items():
            yield f"{name} under the public key as {form}", maker.form(
                maker.header(alg=name), signer=lambda data, n=name, s=secret: keys.mac(n, s, data)), REFUSED
    for name in ("hs256", maker.key.alg.lower(), maker.key.alg + " ", "", "ES257", "RSA1_5", "dir", "PBES2-HS256+A128KW",
                 "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", "RS1"):
        yield f"alg {name!r}", maker.heading(alg=name), REFUSED
    for value in (None, 256, True, [maker.key.alg], {"alg": maker.key.alg}, GONE):
        shown = "absent" if value is GONE else json.dumps(value)
        yield f"alg {shown}", maker.heading(alg=value), REFUSED
    for name in ("ES256", "ES384", "ES512", "ES256K", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "EdDSA"):
        if name != maker.key.alg:
            yield f"{name} over this key's own signature", maker.heading(alg=name), REFUSED
            yield f"{name} by a key of that kind", maker.form(maker.header(alg=name), signer=other_kind(name)), REFUSED
            yield f"{maker.key.alg} over a signature of {name}", maker.form(signer=other_kind(name)), REFUSED
    if maker.key.alg == "PS256":
        for name in ("RS256", "RS384", "RS512", "PS384", "PS512"):
            yield f"a true {name} of this very key", maker.form(
                maker.header(alg=name), signer=lambda data, n=name: keys.sign(maker.key.private, n, data)), REFUSED


OTHERS = {}


def other_kind(alg):
    """Signs by one key of another kind, which is made once: RSA keys take their time."""
    family = "RSA" if alg[:2] in ("RS", "PS") else alg
    if family not in OTHERS:
        OTHERS[family] = keys.generate(alg)
    hashed = "ES256" if alg == "ES256K" else alg
    return lambda data: keys.sign(OTHERS[family], hashed, data)


def c1_signatures(maker):
    """A signature that is not this key's over these bytes."""
    yield "none at all", maker.form(signer=lambda _: b""), REFUSED
    yield "by a stranger's key", maker.form(signer=maker.stranger.sign), REFUSED
    yield "by another client's key", maker.form(signer=maker.other_key.sign), REFUSED
    yield "cut by a byte", maker.form(signer=lambda data: maker.key.sign(data)[:-1]), REFUSED
    yield "longer by a byte", maker.form(signer=lambda data: maker.key.sign(data) + b"\0"), REFUSED
    yield "of nothing but zeros", maker.form(signer=lambda data: bytes(len(maker.key.sign(data)))), REFUSED
    yield "over other bytes", maker.form(signer=lambda data: maker.key.sign(data + b" ")), REFUSED
    yield "with a flipped bit", maker.form(signer=lambda data: flipped(maker.key.sign(data))), REFUSED
    header, claims, signature = maker.make().split(".")
    other_claims = b64(json.dumps(maker.claims()).encode())
    yield "over other claims", asks(f"{header}.{other_claims}.{signature}", maker.scope), REFUSED
    other_header = b64(json.dumps(maker.header(typ="JWT")).encode())
    yield "over another header", asks(f"{other_header}.{claims}.{signature}", maker.scope), REFUSED
    special = {"ES256": ecdsa_signatures, "PS256": pss_signatures, "EdDSA": eddsa_signatures}
    for what, signer in special[maker.key.alg](maker.key.private):
        yield what, maker.form(signer=signer), REFUSED


def flipped(signature):
    return signature[:-1] + bytes([signature[-1] ^ 1])


def ecdsa_signatures(private):
    order = keys.ORDER.to_bytes(32, "big")
    yield "r and s both the order", lambda _: order + order
    yield "r and s both one", lambda _: (1).to_bytes(32, "big") * 2
    yield "r zero", lambda data: bytes(32) + keys.sign(private, "ES256", data)[32:]
    yield "s zero", lambda data: keys.sign(private, "ES256", data)[:32] + bytes(32)
    yield "in DER", lambda data: private.sign(data, keys.ec.ECDSA(hashes.SHA256()))
    yield "over SHA-384", lambda data: keys.ecdsa(private, hashes.SHA384, 32, data)
    yield "over SHA-512", lambda data: keys.ecdsa(private, hashes.SHA512, 32, data)


def pss_signatures(private):
    yield "without salt", lambda data: keys.pss(private, data, salt=0)
    yield "with a salt of 20 bytes", lambda data: keys.pss(private, data, salt=20)
    yield "with the longest salt", lambda data: keys.pss(private, data, salt=222)
    yield "masked by SHA-1", lambda data: keys.pss(private, data, mask=hashes.SHA1)
    yield "over SHA-1", lambda data: keys.pss(private, data, hashes.SHA1)
    yield "by PKCS #1 version 1.5", lambda data: keys.sign(private, "RS256", data)
    yield "of the modulus' size, all ones", lambda _: b"\xff" * 256


def eddsa_signatures(private):
    group = 2**252 + 27742317777372353535851937790883648493
    raw = private.sign

    def beyond(data):
        signature = raw(data)
        return signature[:32] + (int.from_bytes(signature[32:], "little") + group).to_bytes(32, "little")

    yield "s beyond the group's order", beyond
    yield "of the neutral element", lambda _: b"\x01" + bytes(63)
    yield "over the hash (Ed25519ph's way)", lambda data: raw(keys.hashlib.sha512(data).digest())


def typed_wrongly(right, kind):
    """JSON values that look like `right` and are not it."""
    values = {"an array": [right], "an object": {kind: right}, "a number": 1, "null": None, "true": True, "absent": GONE,
              "empty": "", "with a blank behind": right + " ", "with a blank before": " " + right, "with NUL": right + "\0",
              "with a line feed": right + "\n", "cut": right[:-1], "in upper case": right.upper(), "twice": right * 2,
              "with a zero-width blank": right + "\u200b", "a nested array": [[right]], "an empty array": []}
    return values.items()


def c2_client(maker):
    """`iss` and `sub` are the client's id, both, as text."""
    for name in ("iss", "sub"):
        for what, value in typed_wrongly(maker.client, "id"):
            yield f"{name} {what}", maker.claiming(**{name: value}), REFUSED
        yield f"{name} another client", maker.claiming(**{name: maker.other}), REFUSED
        yield f"{name} nobody", maker.claiming(**{name: "nobody"}), REFUSED
        yield f"{name} the issuer", maker.claiming(**{name: maker.issuer}), REFUSED
    for what, value in typed_wrongly(maker.client, "id"):
        yield f"iss and sub {what}", maker.claiming(iss=value, sub=value), REFUSED
    yield "all of another client but the key", maker.claiming(iss=maker.other, sub=maker.other), REFUSED
    yield "all of another client but the signature", maker.form(
        maker.header(kid=maker.other_key.kid), maker.claims(iss=maker.other, sub=maker.other)), REFUSED
    yield "an id of 5000 characters", maker.claiming(iss="a" * 2500, sub="a" * 2500), REFUSED
    for what, value in (("another client", maker.other), ("nobody", "nobody"), ("other case", maker.client.upper())):
        yield f"client_id beside it: {what}", maker.form() + [("client_id", value)], REFUSED


def c3_audience(maker):
    """`aud` is the issuer, as one text."""
    token_endpoint = f"{maker.issuer}/oauth2/token"
    for what, value in typed_wrongly(maker.issuer, "aud"):
        if what != "in upper case":
            yield f"aud {what}", maker.claiming(aud=value), REFUSED
    for value in (token_endpoint, [token_endpoint], maker.issuer + "/", maker.issuer.upper(), maker.issuer + "/oauth2",
                  maker.issuer.replace("http", "https"), maker.issuer.replace("127.0.0.1", "localhost"),
                  "https://auth.example.com", "mintmark", maker.client, "*", "null",
                  [maker.issuer, "https://other.example"], ["https://other.example", maker.issuer],
                  [maker.issuer, maker.issuer], [maker.issuer, token_endpoint], {"0": maker.issuer}):
        yield f"aud {json.dumps(value)}", maker.claiming(aud=value), REFUSED


def c4_expiry(maker):
    """`exp` is there, a number, not past, not far."""
    now = int(time.time())
    values = {"5 min past": now - 300, "a day past": now - 86400, "2 min beyond the hour": now + 3720, "a day ahead": now + 86400,
              "absent": GONE, "null": None, "true": True, "text": str(now + 60), "empty text": "", "an array": [now + 60],
              "an object": {"exp": now + 60}, "zero": 0, "negative": -1, "very negative": -10**18, "in milliseconds": (now + 60) * 1000,
              "2**31": 2**31, "2**63": 2**63, "2**64": 2**64, "2**64 and right behind": 2**64 + now + 60, "with a day's fraction": now + 86400.5}
    for what, value in values.items():
        yield f"exp {what}", maker.claiming(exp=value), REFUSED
    # Numbers that Python would write otherwise.
    for text in ("1e18", "1e400", "-1e400", "1E+30", "NaN", "Infinity", "-Infinity", "0x7fffffff", f"0{now + 60}", "1.",
                 ".5", "1e", f"+{now + 60}", f"{now + 60}n", f"{now + 60}000000000000000000000000000000"):
        claims = maker.text("claims", exp="@").replace('"@"', text)
        yield f"exp {text[:40]}", maker.form(claims=claims.encode()), REFUSED


def c5_window(maker):
    """`iat` and `nbf` at most a minute ahead, and numbers."""
    now = int(time.time())
    for name in ("iat", "nbf"):
        for what, value in {"70 s ahead": now + 70, "an hour ahead": now + 3600, "far ahead": 10**18, "text": str(now), "null": None,
                            "true": True, "an array": [now], "an object": {}, "2**64": 2**64}.items():
            yield f"{name} {what}", maker.claiming(**{name: value}), REFUSED


def c7_identifier(maker):
    """`jti` is text of 1 to 256 characters."""
    for what, value in {"absent": GONE, "null": None, "a number": 7, "true": True, "empty": "", "an array": ["a"], "an object": {},
                        "257 characters": "j" * 257, "3 KiB": "j" * 3072}.items():
        yield f"jti {what}", maker.claiming(jti=value), REFUSED
    yield "jti of 10 KiB, which is too long in all", maker.claiming(jti="j" * 10240), MALFORMED


def c8_other_tokens(maker, access_token, server_key):
    """A JWT that is something else."""
    for value in ("at+jwt", "AT+JWT", "application/at+jwt", "dpop+jwt", "logout+jwt", "secevent+jwt", "token-introspection+jwt",
                  "oauth-authz-req+jwt", "entity-statement+jwt", "id_token", "JOSE", "JWE", 1, None, ["JWT"], {}, True):
        yield f"typ {json.dumps(value)}", maker.heading(typ=value), REFUSED
    yield "its own access token", asks(access_token, maker.scope), REFUSED
    yield "its own access token, with the client's id beside it", asks(access_token, maker.scope) + [
        ("client_id", maker.client)], REFUSED
    yield "claims of an access token, signed by the client", maker.form(
        maker.header(typ="at+jwt"), maker.claims(client_id=maker.client, scope=maker.scope)), REFUSED
    yield "an ID token for it, signed by the client", maker.claiming(iss=maker.issuer, aud=maker.client, nonce="n"), REFUSED
    yield "the server's own kid", maker.heading(kid=server_key), REFUSED


def c9_critical(maker):
    """Nothing is understood that `crit` could name."""
    for value in (["x"], ["b64"], [], ["exp"], ["alg"], [""], [1], "exp", None, {}, ["http://example.com/UNDEFINED"], ["x", "x"]):
        yield f"crit {json.dumps(value)}", maker.heading(crit=value), REFUSED
        yield f"crit {json.dumps(value)} and what it names", maker.heading(crit=value, x=1, exp=2**33, b64=True), REFUSED
    yield "crit b64 and b64 false", maker.heading(crit=["b64"], b64=False), REFUSED
    signed = f"{b64(maker.text('header', crit=['b64'], b64=False).encode())}.{maker.text('claims')}"
    yield "an unencoded payload", asks(f"{signed}.{b64(maker.key.sign(signed.encode()))}", maker.scope), REFUSED


def c10_supplied_keys(maker):
    """The header never says by what it is verified."""
    url = f"http://127.0.0.1:{maker.listener.port}/keys"
    offered = {"jwk": maker.stranger.jwk, "jku": url, "x5u": url, "x5c": ["MIIB"]}
    tls = url.replace("http:", "https:")
    for name, value in offered.items():
        yield f"{name} beside a true signature", maker.heading(**{name: value}), REFUSED
        yield f"{name} and a stranger's signature", maker.form(maker.header(**{name: value}), signer=maker.stranger.sign), REFUSED
        yield f"{name}, a stranger's signature and no kid", maker.form(
            maker.header(**{name: value, "kid": GONE}), signer=maker.stranger.sign), REFUSED
        yield f"{name} null", maker.heading(**{name: None}), REFUSED
    for value in (tls, url + "#", "file:///etc/passwd", "data:application/json,{}", "ftp://127.0.0.1/", url.replace("127.0.0.1", "[::1]"), "//x"):
        yield f"jku {value.split(':', 1)[0]}", maker.form(maker.header(jku=value, x5u=value), signer=maker.stranger.sign), REFUSED
    yield "jwk that is the registered key", maker.heading(jwk=maker.key.jwk), REFUSED
    yield "kid as an address", maker.form(maker.header(kid=url), signer=maker.stranger.sign), REFUSED
    yield "iss as an address", maker.claiming(iss=url, sub=url), REFUSED


def c11_kid(maker, two_keys):
    """`kid` is text to compare, nothing else. `two_keys` makes assertions of a client with two keys."""
    for value in ("' OR '1'='1", "x' UNION SELECT 'secret", "'; DROP TABLE clients;--", "*)(uid=*))(|(uid=*", "../../../../etc/passwd",
                  "/dev/null", "..\\..\\windows\\win.ini", "file:///dev/null", "%00", "\0", maker.key.kid + "\0", maker.key.kid + " ",
                  maker.key.kid.upper(), maker.key.kid[:-1], maker.key.kid + "%00", "$(id)", "`id`", "{{7*7}}", "${jndi:ldap://127.0.0.1/x}",
                  "\u202e" + maker.key.kid, "0", "", maker.other_key.kid):
        yield f"kid {value[:40]!r}", maker.heading(kid=value), REFUSED
    yield "another client's kid and its signature", maker.form(maker.header(kid=maker.other_key.kid), signer=maker.other_key.sign), REFUSED
    for value in (None, 0, True, [maker.key.kid], {"kid": maker.key.kid}):
        yield f"kid {json.dumps(value)}", maker.heading(kid=value), REFUSED
    yield "kid of 5 KiB", maker.heading(kid="k" * 5120), REFUSED
    yield "kid of 10 KiB, which is too long in all", maker.heading(kid="k" * 10240), MALFORMED
    yield "no kid, one key", maker.heading(kid=GONE), TOKEN
    yield "no kid, two keys", two_keys.heading(kid=GONE), REFUSED
    yield "kid of its second key under the first's signature", two_keys.heading(kid="second"), REFUSED
    yield "kid of its first key", two_keys.form(), TOKEN


def c12_form(maker):
    """Three parts of base64url and two dots, nothing else."""
    def sent(text):
        return asks(text, maker.scope)

    def parts():
        return maker.make().split(".")

    header, claims, signature = parts()
    flat = {"protected": header, "payload": claims, "signature": signature}
    general = {"payload": claims, "signatures": [{"protected": header, "signature": signature}]}
    yield "flattened JSON serialization", sent(json.dumps(flat)), REFUSED
    yield "general JSON serialization", sent(json.dumps(general)), REFUSED
    for bend in BENDS:
        header, claims, signature = parts()
        for text in BENDS[bend](header, claims, signature):
            yield bend, sent(text), uncontrolled(text)
    # The signature is true for the text as it stands: the form alone is wrong.
    for what, header in (("padding", "pad"), ("standard alphabet", "+/"), ("a loose last bit", "bits"), ("a line feed", "\n"), ("a blank", " ")):
        for index in (0, 1):
            text = bent(maker, index, header)
            yield f"{what} in part {index + 1}, signed as it stands", sent(text), uncontrolled(text)


def uncontrolled(text):
    """A control character makes the whole form malformed (A11), before anybody asks what the text is."""
    return MALFORMED if any(character < " " for character in text) else REFUSED


BENDS = {
    "four parts": lambda h, c, s: (f"{h}.{c}.{s}.{s}", f"{h}.{c}.{s}.", f".{h}.{c}.{s}", f"{h}.{c}..{s}"),
    "five parts": lambda h, c, s: (f"{h}.{c}.{s}.{s}.{s}", f"{h}....", "....", f"{h}..{c}.{s}.{s}"),
    "two parts": lambda h, c, s: (f"{h}.{c}", f"{h}.{c}.", f"{c}.{s}", f".{c}.{s}", f"{h}..{s}"),
    "one part": lambda h, c, s: (h + c + s, h, ".", "..", "a", "null", "{}"),
    "padding": lambda h, c, s: (f"{h}=.{c}.{s}", f"{h}.{c}=.{s}", f"{h}.{c}.{s}=", f"{h}.{c}.{s}==", f"{h}.{c}.{s}%3D"),
    "blanks": lambda h, c, s: (f" {h}.{c}.{s}", f"{h}.{c}.{s} ", f"{h} .{c}.{s}", f"{h}.{c[:9]} {c[9:]}.{s}", f"{h}.{c}.\t{s}"),
    "line feeds": lambda h, c, s: (f"{h}.{c}.{s}\n", f"{h}.\n{c}.{s}", f"{h}.{c}.{s}\r\n", f"{h}.{c}.{s[:9]}\n{s[9:]}"),
    "foreign characters": lambda h, c, s: (f"\ufeff{h}.{c}.{s}", f"{h}.{c}.{s}\u0430", f"{h}.{c}.{s}~", f'"{h}.{c}.{s}"', f"{h},{c},{s}",
                                           f"Bearer {h}.{c}.{s}", f"{h}.{c}.{s};", f"{h}.{c}.{s},{h}.{c}.{s}", f"{h}\u3002{c}\u3002{s}"),
    "a loose last bit of the signature": lambda h, c, s: (f"{h}.{c}.{loosened(s)}",) if loosened(s) else (),
}
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def loosened(part):
    """Another text that a careless decoder reads as the same bytes; nothing when there is none."""
    return part[:-1] + ALPHABET[ALPHABET.index(part[-1]) ^ 1] if len(part) % 4 else None


def bent(maker, index, how):
    """An assertion of which one part is spelled wrongly before it is signed."""
    # Texts whose encodings hold both `-` and `_` and end within a group of four.
    filler = "".join(chr(point) for point in (0x3BF, 0x7BE, 0xFFF, 0x3EF, 0x7FF)) * 3
    for blanks in range(3):
        raw = [json.dumps(maker.header(x=filler), ensure_ascii=False) + " " * blanks,
               json.dumps(maker.claims(x=filler), ensure_ascii=False) + " " * blanks]
        parts = [b64(text.encode()) for text in raw]
        if len(parts[index]) % 4 and set("-_") & set(parts[index]):
            break
    changes = {"pad": lambda part: part + "=" * (-len(part) % 4), "+/": lambda part: part.replace("-", "+").replace("_", "/"),
               "bits": loosened, "\n": lambda part: part + "\n", " ": lambda part: part[:20] + " " + part[20:]}
    before, parts[index] = parts[index], changes[how](parts[index])
    if parts[index] in (None, before):
        raise ValueError(f"nothing to bend in {before}")
    signed = ".".join(parts)
    return f"{signed}.{b64(maker.key.sign(signed.encode()))}"


def c12_json(maker):
    """Header and claims are one JSON object each, strictly read."""
    def twice(part, name, value):
        """The member, first with the value that a careless reader may take and then with the right one; and the other way."""
        text = maker.text(part)
        wrong = f'"{name}": {json.dumps(value)}'
        return f"{{{wrong}, {text[1:]}", f"{text[:-1]}, {wrong}}}"

    for part, members in (("header", {"alg": "none", "kid": "other", "typ": "at+jwt"}),
                          ("claims", {"iss": maker.other, "sub": maker.other, "aud": "https://other.example", "exp": 1, "jti": "x",
                                      "iat": 1, "nbf": 1, "foo": 1})):
        for name, value in members.items():
            if name in ("typ", "nbf", "foo"):
                both = (json.dumps(getattr(maker, part)() | {name: value})[:-1] + f', "{name}": {json.dumps(value)}}}',)
            else:
                both = twice(part, name, value)
            for text in both:
                yield f"{name} twice", maker.form(**{part: text.encode()}), REFUSED
    for part in ("header", "claims"):
        text = maker.text(part)
        bad = {"empty": b"", "not JSON": b"alg", "null": b"null", "an array": f"[{text}]".encode(), "text": json.dumps(text).encode(),
               "trailing bytes": text.encode() + b"x", "a second object": text.encode() * 2, "a trailing comma": text[:-1].encode() + b",}",
               "a comment": b"/**/" + text.encode(), "a byte order mark": b"\xef\xbb\xbf" + text.encode(), "UTF-16": text.encode("utf-16-le"),
               "a byte that is no UTF-8": text[:-1].encode() + b', "x": "\xff"}', "single quotes": text.replace('"', "'").encode(),
               "a lone surrogate": text[:-1].encode() + b', "x": "\\ud800"}', "a raw control character": text[:-1].encode() + b', "x": "\n"}',
               "cut": text[:-1].encode(), "nested 1000 deep": text[:-1].encode() + b', "x": ' + b"[" * 1000 + b"]" * 1000 + b"}",
               "a member twice within a member": text[:-1].encode() + b', "x": {"a": 1, "a": 2}}',
               "the same member by an escape": text[:-1].encode() + b', "\\u0061lg": "none", "\\u0065xp": 1, "alg": "none", "exp": 1}'}
        for what, raw in bad.items():
            yield f"{part}: {what}", maker.form(**{part: raw}), REFUSED


def c16_length(maker):
    """Too long is malformed and never falls back to anything else."""
    claims = maker.claims(filler="")
    fill = MAX_LENGTH - len(maker.make(claims=claims))
    while len(maker.make(claims=claims | {"filler": "x" * fill})) <= MAX_LENGTH:
        fill += 1
    yield "a few bytes beyond 8 KiB", maker.form(claims=claims | {"filler": "x" * fill}), MALFORMED
    yield "8 KiB and one of nonsense", asks("x" * (MAX_LENGTH + 1), maker.scope), MALFORMED
    yield "32 KiB", asks("x" * 32768, maker.scope), MALFORMED
    yield "too long, beside a client_id", asks("x" * (MAX_LENGTH + 1), maker.scope) + [("client_id", maker.client)], MALFORMED
    yield "8 KiB of nonsense", asks("x" * MAX_LENGTH, maker.scope), REFUSED
    yield "8 KiB of dots", asks("." * MAX_LENGTH, maker.scope), REFUSED


def c17_type(maker):
    """`client_assertion_type` says what it is; one method a request."""
    for kind in ("urn:ietf:params:oauth:client-assertion-type:saml2-bearer", ASSERTION_TYPE + " ", ASSERTION_TYPE.upper(),
                 ASSERTION_TYPE[:-1], "urn:ietf:params:oauth:grant-type:jwt-bearer", "jwt-bearer", "x"):
        yield f"type {kind}", asks(maker.make(), maker.scope, kind), REFUSED
    yield "no type", asks(maker.make(), maker.scope, None), MALFORMED
    yield "an empty type", asks(maker.make(), maker.scope, ""), MALFORMED
    yield "no type and nonsense", asks("nonsense", maker.scope, None), MALFORMED
    yield "a type and no assertion", asks(None, maker.scope) + [("client_id", maker.client)], REFUSED
    yield "a type and an empty assertion", asks("", maker.scope), REFUSED
    yield "two assertions", maker.form() + [("client_assertion", maker.make())], MALFORMED
    yield "the same assertion twice", maker.form() * 2, MALFORMED
    yield "a secret beside it", maker.form() + [("client_id", maker.client), ("client_secret", "mms_x")], MALFORMED
    yield "the assertion as secret", [("grant_type", "client_credentials"), ("scope", maker.scope), ("client_id", maker.client),
                                      ("client_secret", maker.make())], REFUSED
