"""JOSE as python3-jwcrypto does it, for test/components/jose.ts: one task as JSON on stdin, its result on stdout."""

import json
import sys

from jwcrypto import jwe, jwk, jws

task = json.load(sys.stdin)
key = jwk.JWK(**task["key"])
header = json.dumps(task.get("header"))

if task["task"] == "sign":
    token = jws.JWS(task["text"].encode("latin-1"))
    token.add_signature(key, protected=header)
    result = token.serialize(compact=True)
elif task["task"] == "verify":
    token = jws.JWS()
    token.deserialize(task["text"], key)
    result = token.payload.decode("latin-1")
elif task["task"] == "encrypt":
    token = jwe.JWE(task["text"].encode("latin-1"), protected=header)
    token.add_recipient(key)
    result = token.serialize(compact=True)
elif task["task"] == "decrypt":
    token = jwe.JWE()
    token.deserialize(task["text"], key)
    result = token.payload.decode("latin-1")
else:
    sys.exit("no such task")

json.dump(result, sys.stdout)
