"""One assertion is good once: at once, later, changed in what does not matter, after a crash, fifty at a time."""

import secrets
import threading
import time

import keys
from keys import b64
from rows import REFUSED, TOKEN
from wire import Endpoint, asks


def outcome(answer):
    return answer.status, answer.error() if answer.status != 200 else None


def in_order(endpoint, forms):
    """The answers of these forms, one after the other."""
    return [outcome(endpoint.post(form)) for form in forms]


def at_once(maker, endpoint):
    """(what, answers, what they must be) of replays without a pause."""
    form = maker.form()
    yield "twice", in_order(endpoint, [form, form, form]), [TOKEN, REFUSED, REFUSED]
    claims = maker.claims()
    same = [asks(maker.make(claims=claims | more), maker.scope)
            for more in ({}, {"exp": claims["exp"] + 1}, {"iat": claims["iat"] - 1}, {"foo": "bar"})]
    yield "the same jti in other claims", in_order(endpoint, same), [TOKEN] + [REFUSED] * 3
    claims = maker.claims()
    same = [maker.form(maker.header(**more), claims) for more in ({}, {"typ": "JWT"})]
    yield "the same jti under another header", in_order(endpoint, same), [TOKEN, REFUSED]
    if maker.key.alg == "ES256":
        text = maker.make()
        yield "the other of ECDSA's two signatures", in_order(
            endpoint, [asks(text, maker.scope), asks(other_signature(text), maker.scope)]), [TOKEN, REFUSED]
    claims = maker.claims()
    forged = [maker.form(claims=claims, signer=maker.stranger.sign)] * 2 + [maker.form(claims=claims)]
    yield "a forged one does not use up the true one's jti", in_order(endpoint, forged), [REFUSED, REFUSED, TOKEN]
    claims = maker.claims()
    late = [maker.form(claims=claims | {"aud": "https://other.example"}), maker.form(claims=claims)]
    yield "nor does one for another audience", in_order(endpoint, late), [REFUSED, TOKEN]
    for what, jti in (("of 256 characters", secrets.token_hex(128)), ("with NUL", secrets.token_hex(8) + "\0"),
                      ("beyond ASCII", secrets.token_hex(8) + "é\u0301")):
        form = maker.claiming(jti=jti)
        yield f"a jti {what}", in_order(endpoint, [form, form]), [TOKEN, REFUSED]


def other_signature(text):
    """(r, s) → (r, order - s)."""
    header, claims, signature = text.split(".")
    raw = keys.base64.urlsafe_b64decode(signature + "==")
    s = keys.ORDER - int.from_bytes(raw[32:], "big")
    return f"{header}.{claims}.{b64(raw[:32] + s.to_bytes(32, 'big'))}"


def two_clients(one, two, endpoint):
    """Two clients may use one jti."""
    jti = secrets.token_hex(16)
    forms = [one.claiming(jti=jti), two.claiming(jti=jti), one.claiming(jti=jti)]
    return in_order(endpoint, forms), [TOKEN, TOKEN, REFUSED]


def near_its_end(maker, endpoint):
    """Used when it has two seconds left, and again when those are over: in the leeway of whoever has one."""
    form = maker.claiming(exp=int(time.time()) + 2)
    first = endpoint.post(form)
    time.sleep(3.2)
    return [outcome(first), outcome(endpoint.post(form))], [TOKEN, REFUSED]


def other_endpoints(maker, endpoint, paths):
    """Used at the token endpoint, it opens no other, and the other way."""
    answers, expected = [], []
    for path in paths:
        form = maker.form()
        token = endpoint.post(form).body["access_token"]
        answers.append(outcome(endpoint.post(form + [("token", token)], path)))
        fresh = maker.form() + [("token", token)]
        answers += [outcome(endpoint.post(fresh, path)), outcome(endpoint.post(fresh[:4]))]
        expected += [REFUSED, TOKEN, REFUSED]
    return answers, expected


def after_a_crash(maker, server, count=5):
    """Used, then SIGKILL at once, then a start: all were used. One that was never seen is good."""
    answers = []
    for _ in range(count):
        form = maker.form()
        answers.append(outcome(Endpoint(server.port).post(form)))
        server.kill()
        server.start().wait_ready()
        endpoint = Endpoint(server.port)
        answers += in_order(endpoint, [form, maker.form()])
    return answers, [TOKEN, REFUSED, TOKEN] * count


def in_parallel(maker, server, count=50):
    """As many at the same time, each over a connection of its own; gives the answers, counted."""
    form, barrier, answers = maker.form(), threading.Barrier(count), []

    def ask():
        endpoint = Endpoint(server.port)
        endpoint.connection = server.connect(timeout=20)
        endpoint.connection.connect()
        barrier.wait()
        answers.append(outcome(endpoint.post(form)))
        endpoint.connection.close()

    threads = [threading.Thread(target=ask) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    return sorted(answers, key=str), [TOKEN] + [REFUSED] * (count - 1)
