//! The crate `tlog_tiles`: a port of Go's `sumdb/tlog` with checkpoints, of Cloudflare's `azul`.

use std::{cell::RefCell, panic};

use simpul_signing::sha256;
use simpul_tests::foreign::{
    Answer, Ask, Question,
    question::{digest, digests, hex, unhex},
    tiles::{Finding, Log},
};
use simpul_tlog::tile::TileKind;
use tlog_tiles::{
    Checkpoint, Error, Hash, HashReader, Tile, TileHashReader, TileReader, check_record, check_tree,
    prove_record, prove_tree, record_hash, stored_hash_index, stored_hashes, tree_hash,
};

/// C2SP tiles have 2^8 hashes; the crate knows other heights too and names them in the path.
const HEIGHT: u8 = 8;

struct Stored(Vec<Hash>);

impl HashReader for Stored {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, Error> {
        let read = |&index: &u64| self.0.get(index as usize).copied().ok_or(Error::IndexesNotInTree);
        indexes.iter().map(read).collect()
    }
}

pub fn ask(questions: &[Question]) -> Vec<Answer> {
    let mut answerer = Answerer { present: None };
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| ()));
    let answers = questions.iter().map(|question| answerer.answer(questions, question)).collect();
    panic::set_hook(hook);
    answers
}

struct Answerer {
    /// The tree that was asked about last.
    present: Option<(usize, Stored)>,
}

fn value<E>(value: Result<String, E>) -> Answer {
    Answer::from(value.ok())
}

fn concat(hashes: &[Hash]) -> String {
    hashes.iter().map(|hash| hex(hash.0)).collect()
}

impl Answerer {
    fn tree(&mut self, questions: &[Question], id: usize) -> &Stored {
        if self.present.as_ref().is_none_or(|(present, _)| *present != id) {
            let Ask::Tree { leaves } = &questions[id].ask else { panic!("question {id} is a tree") };
            let mut stored = Stored(Vec::new());
            for (n, leaf) in leaves.iter().enumerate() {
                let new = stored_hashes(n as u64, &unhex(leaf).expect("hex"), &stored);
                stored.0.extend(new.expect("the hashes before are there"));
            }
            self.present = Some((id, stored));
        }
        &self.present.as_ref().expect("just put there").1
    }

    fn answer(&mut self, questions: &[Question], question: &Question) -> Answer {
        match &question.ask {
            Ask::Tree { leaves } => value(
                tree_hash(leaves.len() as u64, self.tree(questions, question.id)).map(|root| hex(root.0)),
            ),
            Ask::Root { tree, size } => {
                value(tree_hash(*size, self.tree(questions, *tree)).map(|root| hex(root.0)))
            }
            Ask::ProveInclusion { tree, index, size } => {
                value(prove_record(*size, *index, self.tree(questions, *tree)).map(|proof| concat(&proof)))
            }
            Ask::ProveConsistency { tree, old, new } => {
                value(prove_tree(*new, *old, self.tree(questions, *tree)).map(|proof| concat(&proof)))
            }
            Ask::TileData { tree, level, index, width } => {
                let tile = Tile::new(HEIGHT, *level, *index, u32::from(*width), false);
                value(tile.read_data(self.tree(questions, *tree)).map(|data| hex(sha256(&[&data]))))
            }
            other => answer(other),
        }
    }
}

fn answer(ask: &Ask) -> Answer {
    let odd = || Answer::Skip("its hashes have 32 bytes".into());
    match ask {
        Ask::Inclusion { index, size, root, leaf_hash, proof, .. } => {
            let (Some(root), Some(leaf), Some(proof)) = (digest(root), digest(leaf_hash), digests(proof))
            else {
                return odd();
            };
            let proof = proof.into_iter().map(Hash).collect();
            check_record(&proof, *size, Hash(root), *index, Hash(leaf)).is_ok().into()
        }
        Ask::Consistency { old, new, old_root, new_root, proof } => {
            let (Some(old_root), Some(new_root), Some(proof)) =
                (digest(old_root), digest(new_root), digests(proof))
            else {
                return odd();
            };
            let proof = proof.into_iter().map(Hash).collect();
            check_tree(&proof, *new, Hash(new_root), *old, Hash(old_root)).is_ok().into()
        }
        Ask::Checkpoint { text } => {
            let checkpoint = Checkpoint::from_bytes(text.as_bytes());
            value(checkpoint.map(|checkpoint| format!("{} {}", checkpoint.size(), hex(checkpoint.hash().0))))
        }
        Ask::TilePath { path } => {
            let rest = path.strip_prefix("tile/").filter(|rest| !rest.starts_with("data/"));
            let Some(rest) = rest else { return Answer::Skip("other form of path".into()) };
            let rest = rest.strip_prefix("entries/").map_or(rest.into(), |rest| format!("data/{rest}"));
            let path = format!("tile/{HEIGHT}/{rest}");
            // It panics on levels and widths that no tile has.
            let Ok(tile) = panic::catch_unwind(|| Tile::from_path(&path)) else {
                return Answer::Value("panics".into());
            };
            value(tile.map(|tile| {
                let level = if tile.is_data() { -1 } else { i16::from(tile.level()) };
                format!("{level} {} {}", tile.level_index(), tile.width())
            }))
        }
        _ => Answer::Skip("it knows no signatures".into()),
    }
}

/// Reads tiles from a folder and remembers how many.
struct Folder<'a> {
    log: &'a Log,
    read: RefCell<u64>,
}

impl TileReader for Folder<'_> {
    fn height(&self) -> u8 {
        HEIGHT
    }

    fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, Error> {
        *self.read.borrow_mut() += tiles.len() as u64;
        let read = |tile: &Tile| {
            let kind = TileKind::Hashes(tile.level());
            let data = self.log.tile(kind, tile.level_index(), tile.width() as u16);
            data.map_err(|error| Error::InvalidInput(format!("{error:#}")))
        };
        tiles.iter().map(read).collect()
    }

    fn save_tiles(&self, _: &[Tile], _: &[Vec<u8>]) {}
}

pub fn tiles(log: &Log) -> Vec<Finding> {
    let (size, root) = (log.checkpoint.size, Hash(log.checkpoint.root));
    let folder = Folder { log, read: RefCell::new(0) };
    // Every hash that it gives was authenticated against the checkpoint's root.
    let reader = TileHashReader::new(size, root, &folder);
    let entries = log.entries().map_err(|error| format!("{error:#}"));
    let checked = entries.and_then(|entries| {
        for (index, entry) in entries.iter().enumerate() {
            let at = [stored_hash_index(0, index as u64)];
            let hashes = reader.read_hashes(&at).map_err(|error| format!("entry {index}: {error}"))?;
            if hashes != [record_hash(entry)] {
                return Err(format!("entry {index} has another hash in its tile"));
            }
        }
        Ok(entries.len() as u64)
    });
    let mut findings = vec![Finding::new("entries against tiles", checked)];
    let proved = (|| {
        let mut proofs = 0;
        for index in (0..size).step_by(1 + size as usize / 200) {
            let at = [stored_hash_index(0, index)];
            let leaf = reader.read_hashes(&at).map_err(|error| error.to_string())?;
            let proof = prove_record(size, index, &reader).map_err(|error| error.to_string())?;
            check_record(&proof, size, root, index, leaf[0])
                .map_err(|error| format!("entry {index}: {error}"))?;
            let old = index + 1;
            let old_root = tree_hash(old, &reader).map_err(|error| error.to_string())?;
            let proof = prove_tree(size, old, &reader).map_err(|error| error.to_string())?;
            check_tree(&proof, size, root, old, old_root).map_err(|error| format!("size {old}: {error}"))?;
            proofs += 2;
        }
        Ok(proofs)
    })();
    findings.push(Finding::new("inclusion and consistency", proved));
    findings.push(Finding::new("tiles read", Ok(*folder.read.borrow())));
    findings
}
