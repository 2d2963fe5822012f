// Puts the questions of tests/src/foreign to golang.org/x/mod/sumdb/tlog, sumdb/note and crypto/ed25519.
// The contract stands in tests/src/foreign/program.rs.
package main

import (
	"bufio"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// C2SP tiles have 2^8 hashes; tlog knows other heights too and names them in the path.
const height = 8

// Above that tlog's maxpow2 shifts into the sign bit and loops for ever.
const sizeMax = 1 << 62

// The first line that tlog.ParseTree insists on.
const treeHeader = "go.sum database tree\n"

type question struct {
	ID        int      `json:"id"`
	Kind      string   `json:"kind"`
	Leaves    []string `json:"leaves"`
	Tree      int      `json:"tree"`
	Index     uint64   `json:"index"`
	Size      uint64   `json:"size"`
	Old       uint64   `json:"old"`
	New       uint64   `json:"new"`
	Level     int      `json:"level"`
	Width     int      `json:"width"`
	Root      string   `json:"root"`
	OldRoot   string   `json:"old_root"`
	NewRoot   string   `json:"new_root"`
	LeafHash  string   `json:"leaf_hash"`
	Proof     []string `json:"proof"`
	Vkey      string   `json:"vkey"`
	Note      string   `json:"note"`
	Text      string   `json:"text"`
	Path      string   `json:"path"`
	Key       string   `json:"key"`
	Message   string   `json:"message"`
	Signature string   `json:"signature"`
}

type answer struct {
	ID      int     `json:"id"`
	Verdict string  `json:"verdict"`
	Value   *string `json:"value,omitempty"`
}

type finding struct {
	Check string `json:"check"`
	Count int64  `json:"count"`
	Fault string `json:"fault"`
}

type stored []tlog.Hash

func (s stored) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, 0, len(indexes))
	for _, index := range indexes {
		if index < 0 || index >= int64(len(s)) {
			return nil, errors.New("not stored")
		}
		hashes = append(hashes, s[index])
	}
	return hashes, nil
}

func main() {
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	lines := json.NewEncoder(out)
	switch {
	case len(os.Args) == 2 && os.Args[1] == "questions":
		trees := map[int]stored{}
		in := bufio.NewReader(os.Stdin)
		for decoder := json.NewDecoder(in); decoder.More(); {
			var q question
			check(decoder.Decode(&q))
			a := ask(trees, &q)
			a.ID = q.ID
			check(lines.Encode(a))
		}
	case len(os.Args) == 3 && os.Args[1] == "tiles":
		for _, f := range tiles(os.Args[2]) {
			check(lines.Encode(f))
		}
	default:
		fmt.Fprintln(os.Stderr, "usage: sumdb questions | sumdb tiles DIR")
		os.Exit(2)
	}
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "sumdb:", err)
		os.Exit(1)
	}
}

func accept(holds bool) answer {
	if holds {
		return answer{Verdict: "accept"}
	}
	return answer{Verdict: "reject"}
}

func value(text string, err error) answer {
	if err != nil {
		return answer{Verdict: "reject"}
	}
	return answer{Verdict: "value", Value: &text}
}

func skip(why string) answer {
	return answer{Verdict: "skip", Value: &why}
}

func hash(text string) (h tlog.Hash, ok bool) {
	bytes, err := hex.DecodeString(text)
	if err != nil || len(bytes) != tlog.HashSize {
		return h, false
	}
	copy(h[:], bytes)
	return h, true
}

func hashes(texts []string) ([]tlog.Hash, bool) {
	list := make([]tlog.Hash, 0, len(texts))
	for _, text := range texts {
		h, ok := hash(text)
		if !ok {
			return nil, false
		}
		list = append(list, h)
	}
	return list, true
}

func concat(list []tlog.Hash) string {
	var text strings.Builder
	for _, h := range list {
		text.WriteString(hex.EncodeToString(h[:]))
	}
	return text.String()
}

func ask(trees map[int]stored, q *question) answer {
	tree := trees[q.Tree]
	switch q.Kind {
	case "tree":
		tree = nil
		for n, leaf := range q.Leaves {
			data, err := hex.DecodeString(leaf)
			check(err)
			more, err := tlog.StoredHashes(int64(n), data, tree)
			check(err)
			tree = append(tree, more...)
		}
		trees[q.ID] = tree
		root, err := tlog.TreeHash(int64(len(q.Leaves)), tree)
		return value(hex.EncodeToString(root[:]), err)
	case "root":
		root, err := tlog.TreeHash(int64(q.Size), tree)
		return value(hex.EncodeToString(root[:]), err)
	case "prove_inclusion":
		proof, err := tlog.ProveRecord(int64(q.Size), int64(q.Index), tree)
		return value(concat(proof), err)
	case "prove_consistency":
		proof, err := tlog.ProveTree(int64(q.New), int64(q.Old), tree)
		return value(concat(proof), err)
	case "tile_data":
		tile := tlog.Tile{H: height, L: q.Level, N: int64(q.Index), W: q.Width}
		data, err := tlog.ReadTileData(tile, tree)
		digest := sha256.Sum256(data)
		return value(hex.EncodeToString(digest[:]), err)
	case "inclusion":
		root, ok1 := hash(q.Root)
		leaf, ok2 := hash(q.LeafHash)
		proof, ok3 := hashes(q.Proof)
		if !ok1 || !ok2 || !ok3 {
			return skip("its hashes have 32 bytes")
		}
		if q.Size > sizeMax || q.Index > sizeMax {
			return skip("it does not end on sizes above 2^62")
		}
		return accept(tlog.CheckRecord(proof, int64(q.Size), root, int64(q.Index), leaf) == nil)
	case "consistency":
		oldRoot, ok1 := hash(q.OldRoot)
		newRoot, ok2 := hash(q.NewRoot)
		proof, ok3 := hashes(q.Proof)
		if !ok1 || !ok2 || !ok3 {
			return skip("its hashes have 32 bytes")
		}
		if q.Old > sizeMax || q.New > sizeMax {
			return skip("it does not end on sizes above 2^62")
		}
		return accept(tlog.CheckTree(proof, int64(q.New), newRoot, int64(q.Old), oldRoot) == nil)
	case "vkey":
		_, err := note.NewVerifier(q.Vkey)
		return accept(err == nil)
	case "note":
		_, err := open(q.Vkey, q.Note)
		return accept(err == nil)
	case "signed_checkpoint":
		verifier, err := note.NewVerifier(q.Vkey)
		if err != nil {
			return accept(false)
		}
		opened, err := open(q.Vkey, q.Note)
		if err != nil {
			return accept(false)
		}
		// Whose name a checkpoint must bear is not tlog's business, so this line is ours.
		if !strings.HasPrefix(opened.Text, verifier.Name()+"\n") {
			return accept(false)
		}
		return checkpoint(opened.Text)
	case "checkpoint":
		return checkpoint(q.Text)
	case "tile_path":
		path, ok := theirs(q.Path)
		if !ok {
			return skip("other form of path")
		}
		tile, err := tlog.ParseTilePath(path)
		return value(fmt.Sprintf("%d %d %d", tile.L, tile.N, tile.W), err)
	case "ed25519":
		key, err1 := hex.DecodeString(q.Key)
		message, err2 := hex.DecodeString(q.Message)
		signature, err3 := hex.DecodeString(q.Signature)
		for _, err := range []error{err1, err2, err3} {
			check(err)
		}
		return accept(ed25519.Verify(key, message, signature))
	}
	return skip("it knows no cosignatures")
}

func open(vkey, text string) (*note.Note, error) {
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return nil, err
	}
	return note.Open([]byte(text), note.VerifierList(verifier))
}

// tlog.ParseTree reads checkpoints of one origin only, so it gets the text with that one.
func checkpoint(text string) answer {
	origin, rest, found := strings.Cut(text, "\n")
	if !found || origin == "" {
		return accept(false)
	}
	tree, err := tlog.ParseTree([]byte(treeHeader + rest))
	return value(fmt.Sprintf("%d %x", tree.N, tree.Hash[:]), err)
}

// The path of C2SP tlog-tiles with the height that tlog wants in it, and its word for entries.
func theirs(path string) (string, bool) {
	if !strings.HasPrefix(path, "tile/") || strings.HasPrefix(path, "tile/data/") {
		return "", false
	}
	rest := strings.TrimPrefix(path, "tile/")
	if strings.HasPrefix(rest, "entries/") {
		rest = "data/" + strings.TrimPrefix(rest, "entries/")
	}
	return fmt.Sprintf("tile/%d/%s", height, rest), true
}

// A folder of tiles as tlog's TileReader.
type folder struct {
	path string
	read int64
}

func (f *folder) Height() int { return height }

func (f *folder) SaveTiles([]tlog.Tile, [][]byte) {}

func (f *folder) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	all := make([][]byte, 0, len(tiles))
	for _, tile := range tiles {
		f.read++
		data, err := os.ReadFile(filepath.Join(f.path, c2sp(tile)))
		if err != nil {
			return nil, err
		}
		all = append(all, data)
	}
	return all, nil
}

func c2sp(tile tlog.Tile) string {
	path := strings.TrimPrefix(tile.Path(), fmt.Sprintf("tile/%d/", height))
	if tile.L == -1 {
		path = "entries/" + strings.TrimPrefix(path, "data/")
	}
	return "tile/" + path
}

func tiles(path string) []finding {
	tree, err := signed(path)
	list := []finding{found("signature", 1, err)}
	if err != nil {
		return list
	}
	reader := &folder{path: path}
	// Every hash it gives was authenticated against the signed root.
	hashes := tlog.TileHashReader(tree, reader)
	count, err := entries(path, tree, hashes)
	list = append(list, found("entries against tiles", count, err))
	count, err = proofs(tree, hashes)
	list = append(list, found("inclusion and consistency", count, err))
	return append(list, found("tiles read", reader.read, nil))
}

func found(what string, count int64, err error) finding {
	if err != nil {
		return finding{Check: what, Fault: err.Error()}
	}
	return finding{Check: what, Count: count}
}

func signed(path string) (tree tlog.Tree, err error) {
	vkey, err := os.ReadFile(filepath.Join(path, "vkey"))
	if err != nil {
		return tree, err
	}
	text, err := os.ReadFile(filepath.Join(path, "checkpoint"))
	if err != nil {
		return tree, err
	}
	opened, err := open(strings.TrimSpace(string(vkey)), string(text))
	if err != nil {
		return tree, err
	}
	_, rest, _ := strings.Cut(opened.Text, "\n")
	return tlog.ParseTree([]byte(treeHeader + rest))
}

func entries(path string, tree tlog.Tree, hashes tlog.HashReader) (int64, error) {
	for first := int64(0); first < tree.N; first += 1 << height {
		width := tree.N - first
		if width > 1<<height {
			width = 1 << height
		}
		tile := tlog.Tile{H: height, L: -1, N: first >> height, W: int(width)}
		data, err := os.ReadFile(filepath.Join(path, c2sp(tile)))
		if err != nil {
			return 0, err
		}
		for index := first; index < first+width; index++ {
			if len(data) < 2 || len(data) < 2+int(binary.BigEndian.Uint16(data)) {
				return 0, fmt.Errorf("%s is short", c2sp(tile))
			}
			length := int(binary.BigEndian.Uint16(data))
			leaf := tlog.RecordHash(data[2 : 2+length])
			data = data[2+length:]
			known, err := hashes.ReadHashes([]int64{tlog.StoredHashIndex(0, index)})
			if err != nil {
				return 0, err
			}
			if known[0] != leaf {
				return 0, fmt.Errorf("entry %d has another hash in its tile", index)
			}
		}
		if len(data) != 0 {
			return 0, fmt.Errorf("%s is long", c2sp(tile))
		}
	}
	return tree.N, nil
}

func proofs(tree tlog.Tree, hashes tlog.HashReader) (int64, error) {
	count := int64(0)
	for index := int64(0); index < tree.N; index += 1 + tree.N/200 {
		leaf, err := hashes.ReadHashes([]int64{tlog.StoredHashIndex(0, index)})
		if err != nil {
			return 0, err
		}
		proof, err := tlog.ProveRecord(tree.N, index, hashes)
		if err != nil {
			return 0, err
		}
		if err := tlog.CheckRecord(proof, tree.N, tree.Hash, index, leaf[0]); err != nil {
			return 0, fmt.Errorf("entry %d: %w", index, err)
		}
		old := index + 1
		oldRoot, err := tlog.TreeHash(old, hashes)
		if err != nil {
			return 0, err
		}
		consistent, err := tlog.ProveTree(tree.N, old, hashes)
		if err != nil {
			return 0, err
		}
		if err := tlog.CheckTree(consistent, tree.N, tree.Hash, old, oldRoot); err != nil {
			return 0, fmt.Errorf("size %d: %w", old, err)
		}
		count += 2
	}
	return count, nil
}
