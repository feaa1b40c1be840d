"""A second verifier of Mintmark's issuance log, written from its specification alone.

It shares no code with Mintmark and imports nothing from it: standard library, and `cryptography`
for Ed25519. Where both say the same of ten thousand forged logs, it is unlikely that both are wrong.
"""
