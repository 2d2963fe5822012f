#!/usr/bin/env python3
"""Checks a legality and submits one signed event, from nothing but the contract in proto/.

    python3 -m venv venv && venv/bin/pip install -r requirements.txt
    venv/bin/python check_and_submit.py --proto ../../../proto \
        --client DIR/agencies/kp2mi/desk/client.toml --passport C1000001

DIR is what `simpul directory init --out DIR` made. What it shows, for whoever writes a connector in another language:

1. mutual TLS: the certificate's SPIFFE id says who is calling;
2. a verdict is believed only where the hub's key has signed it (DSSE);
3. an event is header, salt and payload; the header commits to the payload, the statement to the headers, and the
   agency's own key signs the statement;
4. a receipt is believed only where its leaf holds our statement, the proof leads to the checkpoint, and the log's key has
   signed the checkpoint.
"""

import argparse
import base64
import hashlib
import importlib
import json
import os
import sys
import tempfile
import time
import tomllib
from pathlib import Path

import grpc
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from grpc_tools import protoc

SUBMISSION_TYPE = b"application/vnd.simpul.submission.v1+protobuf"
VERDICT_TYPE = b"application/vnd.simpul.verdict.v1+protobuf"


def load_contract(proto: Path, out: str) -> dict:
    """Compiles the .proto files into a temporary folder and imports what is used here."""
    files = sorted(str(path.relative_to(proto)) for path in proto.rglob("*.proto"))
    arguments = ["protoc", f"-I{proto}", f"--python_out={out}", f"--grpc_python_out={out}", *files]
    if protoc.main(arguments) != 0:
        raise SystemExit("protoc failed")
    sys.path.insert(0, out)
    names = {
        "submission": "simpul.v1.submission_pb2",
        "submission_grpc": "simpul.v1.submission_pb2_grpc",
        "legality": "simpul.v1.legality_pb2",
        "legality_grpc": "simpul.v1.legality_pb2_grpc",
        "registry": "simpul.registry.v1.registry_pb2",
    }
    return {short: importlib.import_module(name) for short, name in names.items()}


def open_channel(hub: dict, folder: Path) -> grpc.Channel:
    """Mutual TLS with the files of the agency's folder."""
    read = lambda key: (folder / hub[key]).read_bytes()
    credentials = grpc.ssl_channel_credentials(read("ca_pem"), read("key_pem"), read("certificate_pem"))
    target = hub["endpoint"].removeprefix("https://")
    return grpc.secure_channel(target, credentials, [("grpc.ssl_target_name_override", hub["server_name"])])


def signing_key(path: Path) -> Ed25519PrivateKey:
    seed = path.read_text().strip().removeprefix("simpul-ed25519-seed:")
    return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(seed))


def pae(payload_type: bytes, payload: bytes) -> bytes:
    """DSSE pre-authentication encoding."""
    return b"DSSEv1 %d %s %d %s" % (len(payload_type), payload_type, len(payload), payload)


def uuid7() -> bytes:
    """48 bits of milliseconds, version 7, variant 10, the rest random."""
    raw = bytearray(int(time.time() * 1000).to_bytes(6, "big") + os.urandom(10))
    raw[6] = 0x70 | raw[6] & 0x0F
    raw[8] = 0x80 | raw[8] & 0x3F
    return bytes(raw)


def leaf_hash(data: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_from(index: int, size: int, leaf: bytes, proof: list) -> bytes:
    """Root that an RFC 6962 inclusion proof leads to."""
    if not 0 <= index < size:
        raise ValueError("the leaf lies outside the tree")
    inner = (index ^ (size - 1)).bit_length()
    if len(proof) != inner + (index >> inner).bit_count():
        raise ValueError("the proof has another length")
    root = leaf
    for level, sibling in enumerate(proof):
        left = level >= inner or index >> level & 1
        root = node_hash(sibling, root) if left else node_hash(root, sibling)
    return root


def open_checkpoint(note: str, vkey: str) -> tuple:
    """Size and root of a checkpoint that the log's verifier key has signed (C2SP signed note)."""
    name, key_id, encoded = vkey.split("+", 2)
    public = Ed25519PublicKey.from_public_bytes(base64.b64decode(encoded)[1:])
    text, _, lines = note.rpartition("\n\n")
    text += "\n"
    for line in lines.splitlines():
        dash, signer, blob = line.split(" ", 2)
        raw = base64.b64decode(blob)
        if (dash, signer, raw[:4].hex()) == ("\u2014", name, key_id):
            public.verify(raw[4:], text.encode())
            origin, size, root = text.splitlines()[:3]
            if origin != name:
                raise ValueError("a checkpoint of another log")
            return int(size), base64.b64decode(root)
    raise ValueError("the log's key has not signed the checkpoint")


def check_legality(contract: dict, channel: grpc.Channel, verdict_key: str, arguments) -> dict:
    request = contract["legality"].CheckRequest(purpose=arguments.purpose, official=arguments.official)
    setattr(request, "nik" if arguments.nik else "passport", arguments.nik or arguments.passport)
    signed = contract["legality_grpc"].LegalityServiceStub(channel).Check(request, timeout=30).signed
    public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(verdict_key))
    public.verify(signed.signature, pae(VERDICT_TYPE, signed.verdict))
    verdict = contract["legality"].Verdict.FromString(signed.verdict)
    kinds, states = contract["legality"].VerdictKind, contract["legality"].RequirementState
    return {
        "verdict": kinds.Name(verdict.kind),
        "rule_set": verdict.rule_set,
        "valid_at": verdict.valid_at,
        "deciding": [f"{r.id} {states.Name(r.state)}" for r in verdict.requirements if r.decides],
        "warnings": list(verdict.warnings),
        "access_entry": verdict.access_entry,
        "signature": "verified",
    }


def submit_licence(contract: dict, channel: grpc.Channel, hub: dict, key: Ed25519PrivateKey) -> dict:
    """Submits one licence. Real connectors derive the stream's ref by HMAC from the source's own number."""
    wire, registry = contract["submission"], contract["registry"]
    service = contract["submission_grpc"].SubmissionServiceStub(channel)
    now_us = int(time.time() * 1_000_000)
    reference = os.urandom(16).hex()
    payload = registry.LicenceRecorded(
        licence_no=f"SIP3MI/PY-{reference[:8]}",
        kind=registry.SIP3MI,
        holder="PT Contoh Python",
        valid_from="2025-01-02",
        valid_until="2029-12-31",
    ).SerializeToString()
    salt = os.urandom(32)
    header = wire.EventHeader(
        version=1,
        event_id=uuid7(),
        type="simpul.registry.v1.LicenceRecorded",
        stream=f"sisko-licence/{reference}",
        expected=wire.ExpectedVersion(no_stream=wire.ExpectedVersion.NoStream()),
        occurred_at_us=now_us,
        purpose="PLACEMENT",
        legal_basis="UU 18/2017",
        data_category="general",
        payload_commitment=hashlib.sha256(salt + payload).digest(),
    ).SerializeToString()
    state = service.GetConnectorState(wire.GetConnectorStateRequest(), timeout=30)
    # Bytes are signed as sent: serialise once, and never again.
    statement = wire.SubmissionStatement(
        version=1,
        submission_id=uuid7(),
        agency=hub["agency"],
        connector=hub["connector"],
        first_sequence=state.next_sequence,
        event_count=1,
        events_root=leaf_hash(header),
        created_at_us=now_us,
    ).SerializeToString()
    public = key.public_key().public_bytes_raw()
    submission = wire.Submission(
        statement=statement,
        signature=key.sign(pae(SUBMISSION_TYPE, statement)),
        key_id=hashlib.sha256(public).hexdigest()[:16],
        events=[wire.SubmittedEvent(header=header, salt=salt, payload=payload)],
    )
    receipt = service.Submit(submission, timeout=30).receipt
    if wire.Leaf.FromString(receipt.leaf).statement != statement:
        raise ValueError("the leaf does not hold our statement")
    size, root = open_checkpoint(receipt.checkpoint, hub["log_verifier"])
    proven = root_from(receipt.leaf_index, size, leaf_hash(receipt.leaf), list(receipt.inclusion_proof))
    if proven != root:
        raise ValueError("the proof does not lead to the checkpoint")
    return {
        "position": receipt.first_position,
        "leaf": receipt.leaf_index,
        "tree_size": size,
        "receipt": "verified",
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--client", type=Path, required=True, help="client.toml of a connector or desk")
    parser.add_argument("--proto", type=Path, default=Path(__file__).resolve().parents[3] / "proto")
    parser.add_argument("--endpoint", help="instead of the endpoint in client.toml")
    who = parser.add_mutually_exclusive_group(required=True)
    who.add_argument("--nik")
    who.add_argument("--passport")
    parser.add_argument("--purpose", default="PLACEMENT")
    parser.add_argument("--official", default="python-example", help="pseudonym of who asks")
    parser.add_argument("--no-submit", action="store_true", help="only check")
    arguments = parser.parse_args()
    client = tomllib.loads(arguments.client.read_text())
    hub, folder = client["hub"], arguments.client.parent
    if arguments.endpoint:
        hub["endpoint"] = arguments.endpoint
    try:
        with tempfile.TemporaryDirectory() as out, open_channel(hub, folder) as channel:
            contract = load_contract(arguments.proto, out)
            answer = {"legality": check_legality(contract, channel, client["verdict_key"], arguments)}
            if not arguments.no_submit:
                key = signing_key(folder / hub["signing_key"])
                answer["submitted"] = submit_licence(contract, channel, hub, key)
    except grpc.RpcError as error:
        print(f"{error.code().name}: {error.details()}", file=sys.stderr)
        return 1
    except (InvalidSignature, ValueError) as error:
        print(f"not believed: {error or 'a signature does not verify'}", file=sys.stderr)
        return 1
    print(json.dumps(answer, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
