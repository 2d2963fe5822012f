"""Puts the questions of tests/src/foreign to PyPI's tlog-scales, and signatures to pyca/cryptography, on which it stands.
The contract stands in tests/src/foreign/program.rs."""

import hashlib
import json
import sys
import tempfile
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from tlog_scales import signing, tiles, tlog
from tlog_scales.backend import LocalBackend
from tlog_scales.reader import TilesReader
from tlog_scales.writer import TilesWriter


class Skip(Exception):
    pass


class Trees:
    """The trees asked about, each written as tiles by its own writer and read by its own reader."""

    def __init__(self, root):
        self.root = Path(root)

    def path(self, tree):
        return self.root / str(tree)

    def write(self, tree, leaves):
        writer = TilesWriter.create(self.path(tree), "log.example")
        for leaf in leaves:
            writer.add_leaf(leaf)
        writer.commit([signing.DummySigner()])
        return self.reader(tree, len(leaves)).calculate_root_hash()

    def reader(self, tree, size=None):
        reader = TilesReader(LocalBackend(self.path(tree)))
        reader.get_checkpoint()
        return reader


def said(checkpoint):
    return f"{checkpoint.size} {checkpoint.root_hash.hex()}"


def value(text):
    return {"verdict": "value", "value": text}


def holds(outcome):
    return {"verdict": "accept" if outcome else "reject"}


def answer(trees, q):
    match q["kind"]:
        case "tree":
            return value(trees.write(q["id"], [bytes.fromhex(leaf) for leaf in q["leaves"]]).hex())
        case "root":
            return value(trees.reader(q["tree"]).mth(0, q["size"]).hex())
        case "prove_inclusion":
            return value(b"".join(trees.reader(q["tree"]).get_inclusion_proof(q["index"], q["size"]).node_hashes).hex())
        case "prove_consistency":
            return value(b"".join(trees.reader(q["tree"]).get_consistency_proof(q["old"], q["new"]).node_hashes).hex())
        case "tile_data":
            partial = q["width"] % 256
            data = LocalBackend(trees.path(q["tree"])).get(*tiles.tile_path(q["level"], q["index"], partial))
            return value(hashlib.sha256(data).hexdigest())
        case "inclusion":
            proof = tlog.InclusionProof(q["index"], q["size"], [bytes.fromhex(h) for h in q["proof"]])
            proof.check(bytes.fromhex(q["leaf_hash"]), bytes.fromhex(q["root"]))
            return holds(True)
        case "consistency":
            proof = tlog.ConsistencyProof(q["old"], q["new"], [bytes.fromhex(h) for h in q["proof"]])
            proof.check(bytes.fromhex(q["old_root"]), bytes.fromhex(q["new_root"]))
            return holds(True)
        case "vkey":
            signing.Vkey.from_string(q["vkey"]).get_verifier()
            return holds(True)
        case "signed_checkpoint":
            checkpoint = tlog.Checkpoint.from_text(q["note"])
            vkey = signing.Vkey.from_string(q["vkey"])
            checkpoint.verify(vkey)
            # Whose name a checkpoint must bear is not its business, so this line is ours.
            return value(said(checkpoint)) if checkpoint.origin == vkey.name else holds(False)
        case "cosigned":
            tlog.Checkpoint.from_text(q["note"]).verify(signing.Vkey.from_string(q["vkey"]))
            return holds(True)
        case "ed25519":
            key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(q["key"]))
            key.verify(bytes.fromhex(q["signature"]), bytes.fromhex(q["message"]))
            return holds(True)
        case _:
            raise Skip("it reads signed checkpoints only, and no paths")


def questions():
    with tempfile.TemporaryDirectory() as root:
        trees = Trees(root)
        for line in sys.stdin:
            q = json.loads(line)
            try:
                said = answer(trees, q)
            except Skip as why:
                said = {"verdict": "skip", "value": str(why)}
            except Exception:
                # It refuses by exceptions of many kinds, some of them not meant as such (IndexError, ValueError).
                said = holds(False)
            print(json.dumps({"id": q["id"], **said}))


def found(check, run):
    try:
        return {"check": check, "count": run(), "fault": ""}
    except Exception as error:
        return {"check": check, "count": 0, "fault": f"{type(error).__name__}: {error}"}


def folder(path):
    reader = TilesReader(LocalBackend(path))
    checkpoint = reader.get_checkpoint()

    def signature():
        vkey = signing.Vkey.from_string((path / "vkey").read_text().strip())
        checkpoint.verify(vkey)
        return 1

    def root():
        if reader.calculate_root_hash() != checkpoint.root_hash:
            raise ValueError("the tiles lead to another root")
        return 1

    def entries():
        for index in range(checkpoint.size):
            proof = reader.get_inclusion_proof(index, checkpoint.size)
            proof.check(tiles.leaf_hash(reader.get_entry(index)), checkpoint.root_hash)
        return checkpoint.size

    def sizes():
        step = 1 + checkpoint.size // 200
        for old in range(1, checkpoint.size + 1, step):
            proof = reader.get_consistency_proof(old, checkpoint.size)
            proof.check(reader.mth(0, old), checkpoint.root_hash)
        return len(range(1, checkpoint.size + 1, step))

    checks = [("signature", signature), ("root from tiles", root), ("inclusion", entries), ("consistency", sizes)]
    for check, run in checks:
        print(json.dumps(found(check, run)))


def main():
    match sys.argv[1:]:
        case ["questions"]:
            questions()
        case ["tiles", path]:
            folder(Path(path))
        case _:
            sys.exit("usage: scales.py questions | scales.py tiles DIR")


main()
