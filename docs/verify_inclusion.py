#!/usr/bin/env python3
"""Verifies an inclusion proof of `suite audit prove` without suite.

    suite audit prove docs CALL > proof.json
    python3 verify_inclusion.py proof.json --key "suite/docs+1a2b3c4d+AQ…"

Three steps, each a public standard:

1. The checkpoint is a signed note (c2sp.org/signed-note, c2sp.org/tlog-checkpoint): its Ed25519
   signature (RFC 8032) must be that of the server's key. Give the key with --key, from where you
   kept it: the key inside the proof is only what the prover says it is.
2. The record's leaf hash is SHA-256(0x00 || record) (RFC 6962, 2.1).
3. The audit path must lead from the leaf hash to the root in the checkpoint (RFC 9162, 2.1.3.2).

Needs Python 3.8 and nothing else. Exit codes: 0 the record is in the log, 1 it is not proven,
2 wrong usage.
"""

import argparse
import base64
import hashlib
import json
import sys

# Ed25519 verification after RFC 8032, 5.1. Slow and not constant in time: there is no secret here.
P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
SQRT_M1 = pow(2, (P - 1) // 4, P)


class NotProven(Exception):
    """Why the proof does not hold."""


def add(p, q):
    """The sum of two points in extended coordinates."""
    a = (p[1] - p[0]) * (q[1] - q[0]) % P
    b = (p[1] + p[0]) * (q[1] + q[0]) % P
    c = 2 * p[3] * q[3] * D % P
    d = 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def times(number, point):
    """A multiple of a point."""
    result = (0, 1, 1, 0)
    while number > 0:
        if number & 1:
            result = add(result, point)
        point = add(point, point)
        number >>= 1
    return result


def recover_x(y, sign):
    """The x coordinate of a point, or None."""
    if y >= P:
        return None
    x2 = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    if x2 == 0:
        return None if sign else 0
    x = pow(x2, (P + 3) // 8, P)
    if (x * x - x2) % P != 0:
        x = x * SQRT_M1 % P
    if (x * x - x2) % P != 0:
        return None
    return P - x if x & 1 != sign else x


def decode_point(data):
    """A point from its 32 bytes."""
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & ((1 << 255) - 1)
    x = recover_x(y, sign)
    if x is None:
        raise NotProven("a point of the signature is not on the curve")
    return (x, y, 1, x * y % P)


BASE_Y = 4 * pow(5, P - 2, P) % P
BASE_X = recover_x(BASE_Y, 0)
BASE = (BASE_X, BASE_Y, 1, BASE_X * BASE_Y % P)


def is_signed(public, message, signature):
    """Whether the signature over the message is by this public key."""
    if len(signature) != 64:
        return False
    s = int.from_bytes(signature[32:], "little")
    if s >= L:
        return False
    key, r = decode_point(public), decode_point(signature[:32])
    digest = hashlib.sha512(signature[:32] + public + message).digest()
    h = int.from_bytes(digest, "little") % L
    left, right = times(s, BASE), add(r, times(h, key))
    return all((left[i] * right[2] - right[i] * left[2]) % P == 0 for i in (0, 1))


def decode_key(text):
    """Name, id and bytes of a key in the form NAME+ID+BASE64."""
    try:
        name, key_id, data = text.strip().split("+", 2)
        data = base64.b64decode(data, validate=True)
        key_id = bytes.fromhex(key_id)
    except ValueError:
        raise NotProven("the key is not in the form NAME+ID+BASE64") from None
    expected = hashlib.sha256(name.encode() + b"\n" + data).digest()[:4]
    if len(data) != 33 or data[0] != 1 or key_id != expected:
        raise NotProven("the key is no Ed25519 key, or its id is not its own")
    return name, key_id, data[1:]


def open_checkpoint(note, key):
    """Origin, size and root of a checkpoint that the key signed."""
    name, key_id, public = decode_key(key)
    text, _, signatures = note.rpartition("\n\n")
    text += "\n"
    for line in signatures.splitlines():
        parts = line.split(" ")
        if len(parts) != 3 or parts[0] != "\u2014":
            raise NotProven("the checkpoint is no signed note")
        signature = base64.b64decode(parts[2], validate=True)
        if parts[1] == name and signature[:4] == key_id:
            if not is_signed(public, text.encode(), signature[4:]):
                raise NotProven("the signature of the checkpoint is wrong")
            lines = text.splitlines()
            return lines[0], int(lines[1]), base64.b64decode(lines[2], validate=True)
    raise NotProven("the checkpoint is not signed by the key " + name)


def root_of_path(leaf, index, size, path):
    """The root that follows from a leaf and its audit path."""
    if not 0 <= index < size:
        raise NotProven("the index is outside the tree")
    at, last, result = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            raise NotProven("the audit path is too long")
        if at & 1 or at == last:
            result = hashlib.sha256(b"\x01" + sibling + result).digest()
            while at & 1 == 0 and at != 0:
                at, last = at >> 1, last >> 1
        else:
            result = hashlib.sha256(b"\x01" + result + sibling).digest()
        at, last = at >> 1, last >> 1
    if last != 0:
        raise NotProven("the audit path is too short")
    return result


def verify(proof, key):
    """Verifies a proof; returns the origin, the record and the size of the tree."""
    origin, size, root = open_checkpoint(proof["checkpoint"], key)
    leaf = hashlib.sha256(b"\x00" + proof["record"].encode()).digest()
    path = [base64.b64decode(hash_, validate=True) for hash_ in proof["path"]]
    if root_of_path(leaf, proof["index"], size, path) != root:
        raise NotProven("the record is not in the log that was signed")
    return origin, proof["record"], size


def main():
    parser = argparse.ArgumentParser(description="Verifies a proof of `suite audit prove`.")
    parser.add_argument("proof", help="the proof, a JSON file; `-` is standard input")
    parser.add_argument("--key", help="the server's public key, as you kept it")
    arguments = parser.parse_args()
    try:
        with sys.stdin if arguments.proof == "-" else open(arguments.proof, encoding="utf-8") as file:
            proof = json.load(file)
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    try:
        origin, record, size = verify(proof, arguments.key or proof["key"])
    except (NotProven, KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        print(f"NOT PROVEN: {error}")
        return 1
    print(f"proven: record {proof['index'] + 1} of {size} in {origin}")
    if not arguments.key:
        print("by the key in the proof itself; give the one you kept with --key")
    print(record)
    return 0


if __name__ == "__main__":
    sys.exit(main())
