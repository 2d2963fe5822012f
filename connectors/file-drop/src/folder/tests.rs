use simpul_connector::{Quarantine, Spool, SpoolConfig, StreamKey};
use simpul_types::clock::System;

use super::*;

const PLACEMENTS: &str = include_str!("../../../sample/sisko/placements.csv");
const LICENCES: &[u8] = include_bytes!("../../../sample/sisko/licences.csv");
const HEADER: &str = "NO_PENEMPATAN;NAMA_LENGKAP;SKEMA;NEGARA;JABATAN;STATUS;TGL_UBAH";

struct Desk {
    dir: tempfile::TempDir,
    intake: Intake,
    stop: CancellationToken,
}

impl Desk {
    fn new() -> Self {
        Self::with_room(10_000)
    }

    fn with_room(events_max: u64) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(dir.path().join("in")).expect("made");
        let spool = SpoolConfig { dir: dir.path().join("spool"), events_max };
        let quarantine = Quarantine::open(&dir.path().join("quarantine"), Arc::new(System), Arc::new(System));
        let intake = Intake {
            spool: Spool::open(&spool, Arc::new(System)).expect("opened"),
            quarantine: Arc::new(quarantine.expect("opened")),
            refs: StreamKey::from_bytes(&[3; 32]),
            clock: Arc::new(System),
        };
        Self { dir, intake, stop: CancellationToken::new() }
    }

    fn watch(&self, mapping: &str) -> FileDrop {
        let config = Config {
            folder: self.dir.path().join("in"),
            mapping: PathBuf::new(),
            pattern: "*.csv".into(),
            poll_ms: 10,
            quiet_ms: 150,
        };
        FileDrop::new(config, Mapping::parse(mapping).expect("a mapping"), self.intake.clone())
    }

    fn placements(&self) -> FileDrop {
        self.watch(include_str!("../../../mappings/sisko-placement.toml"))
    }

    fn put(&self, name: &str, bytes: impl AsRef<[u8]>) {
        std::fs::write(self.dir.path().join("in").join(name), bytes).expect("written");
    }

    /// File, line, field and reason of what was set aside.
    fn quarantined(&self) -> Vec<(String, u64, String, String)> {
        let list =
            std::fs::read_to_string(self.dir.path().join("quarantine/quarantine.jsonl")).expect("a list");
        let text = |line: &serde_json::Value, key: &str| line[key].as_str().expect("text").to_owned();
        list.lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .map(|line: serde_json::Value| {
                let number = line["line"].as_u64().expect("a number");
                (text(&line, "file"), number, text(&line, "field"), text(&line, "reason"))
            })
            .collect()
    }
}

fn row(number: u32, name: &str, changed: &str) -> String {
    format!("PN-{number};{name};P TO P;HKG;PERAWAT;BERANGKAT;{changed}\n")
}

const MORNING: &str = "01/03/2024 08:00:00";
const NOON: &str = "01/03/2024 12:00:00";

#[tokio::test]
async fn the_sample_yields_every_placement_but_the_bad_row() {
    let desk = Desk::new();
    desk.put("placements.csv", PLACEMENTS);
    let mut folder = desk.placements();
    let scan = folder.scan(&desk.stop).await.expect("read");
    assert_eq!((scan.new, scan.quarantined, desk.intake.spool.waiting()), (19, 1, 19));
    let bad = &desk.quarantined()[0];
    // Row 17 holds a line break in quotes, so row 18 begins on line 20.
    assert_eq!((bad.0.as_str(), bad.1, bad.2.as_str()), ("placements.csv", 20, "TGL_LAHIR"));
}

#[tokio::test]
async fn the_sample_licences_come_with_a_mark_and_crlf() {
    let desk = Desk::new();
    desk.put("licences.csv", LICENCES);
    let mut folder = desk.watch(include_str!("../../../mappings/sisko-licence.toml"));
    let scan = folder.scan(&desk.stop).await.expect("read");
    assert_eq!((scan.new, scan.quarantined), (14, 0));
}

#[tokio::test]
async fn only_what_is_new_or_changed_is_taken() {
    let desk = Desk::new();
    let mut folder = desk.placements();
    let first = format!("{HEADER}\n{}{}", row(1, "A", MORNING), row(2, "B", MORNING));
    desk.put("a.csv", &first);
    let check = |scan: Scan, new, changed, known| {
        assert_eq!((scan.new, scan.changed, scan.known), (new, changed, known));
    };
    check(folder.scan(&desk.stop).await.expect("read"), 2, 0, 0);
    check(folder.scan(&desk.stop).await.expect("read"), 0, 0, 0);
    desk.put("renamed.csv", &first);
    check(folder.scan(&desk.stop).await.expect("read"), 0, 0, 2);
    desk.put("a.csv", format!("{first}{}", row(3, "C", MORNING)));
    check(folder.scan(&desk.stop).await.expect("read"), 1, 0, 2);
    desk.put("b.csv", format!("{HEADER}\n{}{}", row(2, "B changed", NOON), row(3, "C", NOON)));
    check(folder.scan(&desk.stop).await.expect("read"), 0, 1, 1);
    // The first file again, by a new connector on the same spool: older than what is known.
    check(desk.placements().scan(&desk.stop).await.expect("read"), 0, 0, 7);
    assert_eq!(desk.intake.spool.waiting(), 4);
}

#[tokio::test]
async fn a_row_twice_in_one_file_is_one_event() {
    let desk = Desk::new();
    desk.put("a.csv", format!("{HEADER}\n{0}{0}{1}", row(1, "A", MORNING), row(1, "A again", NOON)));
    let scan = desk.placements().scan(&desk.stop).await.expect("read");
    assert_eq!((scan.new, scan.changed, scan.known), (1, 1, 1));
}

#[tokio::test]
async fn a_half_written_last_line_waits_until_it_is_whole_or_the_file_is_quiet() {
    let desk = Desk::new();
    let mut folder = desk.placements();
    let whole = format!("{HEADER}\n{}{}", row(1, "A", MORNING), row(2, "Bagas Rekaan", MORNING));
    desk.put("a.csv", &whole[..whole.len() - 30]);
    let scan = folder.scan(&desk.stop).await.expect("read");
    assert_eq!((scan.new, scan.quarantined, scan.unfinished), (1, 0, 1));
    desk.put("a.csv", &whole);
    let scan = folder.scan(&desk.stop).await.expect("read");
    assert_eq!((scan.new, scan.unfinished), (1, 0));
    // A file whose last line never gets its end is taken once it is quiet.
    desk.put("b.csv", format!("{HEADER}\n{}", row(3, "C", MORNING)).trim_end());
    let scan = folder.drain(&desk.stop).await.expect("read");
    assert_eq!((scan.new, scan.unfinished), (1, 0));
    assert_eq!(desk.intake.spool.waiting(), 3);
}

#[tokio::test]
async fn a_bad_row_costs_nothing_but_itself_and_is_listed_once() {
    let desk = Desk::new();
    let mut folder = desk.placements();
    let mut file = format!("{HEADER}\n{}", row(1, "A", MORNING)).into_bytes();
    file.extend(b"PN-2;Nama \xff\xfe;P TO P;HKG;PERAWAT;BERANGKAT;01/03/2024 08:00:00\n");
    file.extend(b"PN-3;too;few\n");
    file.extend(b"PN-4;\"quote;P TO P;HKG;PERAWAT;BERANGKAT;01/03/2024 08:00:00\n");
    for number in 5..60 {
        file.extend(row(number, "\"Karang; \"\"Atas\"\"\nBaru\"", MORNING).bytes());
    }
    desk.put("a.csv", &file);
    let scan = folder.scan(&desk.stop).await.expect("read");
    assert_eq!((scan.new, scan.quarantined), (56, 3));
    let told: Vec<_> = desk.quarantined().into_iter().map(|(_, line, field, _)| (line, field)).collect();
    assert_eq!(told, [(3, "column 2".into()), (4, "row".into()), (5, "row".into())]);
    file.extend(row(99, "Z", MORNING).bytes());
    desk.put("a.csv", &file);
    let scan = folder.scan(&desk.stop).await.expect("read");
    assert_eq!((scan.new, scan.quarantined), (1, 0), "known faults are not listed again");
}

#[tokio::test]
async fn a_file_without_the_columns_is_set_aside_and_others_are_read() {
    let desk = Desk::new();
    desk.put("a.csv", "NIK;NAMA\n1;A\n");
    desk.put("b.csv", format!("{HEADER}\n{}", row(1, "A", MORNING)));
    desk.put("c.csv", "");
    desk.put("notes.txt", "not looked at");
    let scan = desk.placements().scan(&desk.stop).await.expect("read");
    assert_eq!((scan.new, scan.quarantined), (1, 1));
    let bad = &desk.quarantined()[0];
    assert_eq!((bad.2.as_str(), bad.3.as_str()), ("NO_PENEMPATAN", "the header does not have this column"));
}

#[tokio::test]
async fn a_full_spool_makes_the_folder_wait() {
    let desk = Desk::with_room(1);
    desk.put("a.csv", format!("{HEADER}\n{}{}", row(1, "A", MORNING), row(2, "B", MORNING)));
    let mut folder = desk.placements();
    let stop = desk.stop.clone();
    let scan = tokio::spawn(async move { folder.scan(&stop).await.expect("read") });
    sleep(Duration::from_millis(50)).await;
    assert!(!scan.is_finished(), "nothing of the batch was taken");
    desk.stop.cancel();
    assert_eq!(scan.await.expect("ended").new, 0);
    assert_eq!(desk.intake.spool.waiting(), 0);
}

#[test]
fn a_pattern_has_one_star() {
    assert!(matches("*.csv", "a.csv") && matches("penempatan*.csv", "penempatan-2025.csv"));
    assert!(matches("a.csv", "a.csv") && !matches("a.csv", "b.csv"));
    assert!(!matches("ab*ba", "aba"));
}
