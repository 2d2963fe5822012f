use std::sync::Arc;

use simpul_connector::{Quarantine, Spool, SpoolConfig, StreamKey};
use simpul_types::clock::System;

use super::*;

struct Desk {
    dir: tempfile::TempDir,
    intake: Intake,
    stop: CancellationToken,
}

impl Desk {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        fs::create_dir(dir.path().join("in")).expect("made");
        let spool = SpoolConfig { dir: dir.path().join("spool"), events_max: 1_000 };
        let quarantine = Quarantine::open(&dir.path().join("quarantine"), Arc::new(System), Arc::new(System));
        let intake = Intake {
            spool: Spool::open(&spool, Arc::new(System)).expect("opened"),
            quarantine: Arc::new(quarantine.expect("opened")),
            refs: StreamKey::from_bytes(&[3; 32]),
            clock: Arc::new(System),
        };
        Self { dir, intake, stop: CancellationToken::new() }
    }

    fn watch(&self, folder: PathBuf, prefix: &str, mapping: &str) -> FormFolder {
        let config =
            Config { folder, mapping: PathBuf::new(), prefix: prefix.into(), poll_ms: 10, quiet_ms: 100 };
        FormFolder::new(config, Mapping::parse(mapping).expect("a mapping"), self.intake.clone())
    }

    fn intakes(&self) -> FormFolder {
        let mapping = include_str!("../../../mappings/mission-intake.toml");
        self.watch(self.dir.path().join("in"), "intake-", mapping)
    }

    fn put(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.dir.path().join("in").join(name), bytes).expect("written");
    }

    fn quarantined(&self) -> Vec<serde_json::Value> {
        let list = fs::read_to_string(self.dir.path().join("quarantine/quarantine.jsonl")).expect("a list");
        list.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }
}

fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../sample/mission")
}

fn form(number: &str, name: &str) -> String {
    format!(
        "{{\n  \"perwakilan\": \"KBRI Yangon\",\n  \"nomor_penerimaan\": \"{number}\",\n  \"nomor_kasus\": \"K\",\n  \
         \"tanggal_kontak\": \"2025-11-03\",\n  \"kategori_tinggal\": \"Pekerja\",\n  \
         \"orang\": {{ \"nama_lengkap\": \"{name}\" }}\n}}\n"
    )
}

#[tokio::test]
async fn the_sample_yields_every_form_but_the_bad_one() {
    let desk = Desk::new();
    let intakes = include_str!("../../../mappings/mission-intake.toml");
    let scan = desk.watch(sample(), "intake-", intakes).drain(&desk.stop).await.expect("read");
    assert_eq!((scan.taken, scan.quarantined, scan.warned), (3, 1, 1));
    let bad = &desk.quarantined()[0];
    assert_eq!((&bad["file"], &bad["field"]), (&"intake-2025-0420.json".into(), &"/tanggal_kontak".into()));
    assert_eq!(bad["line"], 6);
    let screenings = include_str!("../../../mappings/mission-screening.toml");
    let scan = desk.watch(sample(), "screening-", screenings).drain(&desk.stop).await.expect("read");
    assert_eq!((scan.taken, scan.quarantined), (2, 0));
    let forms = include_str!("../../../mappings/mission-form.toml");
    let scan = desk.watch(sample(), "form-", forms).drain(&desk.stop).await.expect("read");
    assert_eq!((scan.taken, scan.quarantined), (1, 0));
    assert_eq!(desk.intake.spool.waiting(), 6);
}

#[tokio::test]
async fn a_form_is_taken_once_whatever_its_file_is_called() {
    let desk = Desk::new();
    let mut folder = desk.intakes();
    desk.put("intake-1.json", form("1", "Wagiyem"));
    desk.put("other.json", "not looked at");
    let scan = folder.scan(&desk.stop).await.expect("read");
    assert_eq!((scan.taken, scan.known), (1, 0));
    assert_eq!(folder.scan(&desk.stop).await.expect("read"), Scan::default(), "not read again");
    desk.put("intake-copy.json", form("1", "Wagiyem"));
    desk.put("intake-corrected.json", form("1", "Wagiyem Rekaan"));
    let scan = folder.scan(&desk.stop).await.expect("read");
    assert_eq!((scan.taken, scan.known), (1, 1), "a correction is a new event of the same stream");
}

#[tokio::test]
async fn a_half_written_form_waits_and_a_broken_one_is_set_aside_when_quiet() {
    let desk = Desk::new();
    let mut folder = desk.intakes();
    let whole = form("1", "Wagiyem");
    desk.put("intake-1.json", &whole[..60]);
    let scan = folder.scan(&desk.stop).await.expect("read");
    assert_eq!((scan.taken, scan.quarantined, scan.unfinished), (0, 0, 1));
    desk.put("intake-1.json", &whole);
    assert_eq!(folder.scan(&desk.stop).await.expect("read").taken, 1);
    desk.put("intake-2.json", "{\n  \"perwakilan\": }\n");
    let scan = folder.drain(&desk.stop).await.expect("read");
    assert_eq!((scan.quarantined, scan.unfinished), (1, 0));
    assert_eq!(desk.quarantined()[0]["line"], 2);
}

#[tokio::test]
async fn a_check_digit_is_a_warning_and_a_zone_of_another_form_an_error() {
    let desk = Desk::new();
    let mut folder = desk.intakes();
    let with_zone = |number: &str, lines: &str| {
        form(number, "Wagiyem").replace("\"Wagiyem\"", &format!("\"Wagiyem\", \"mrz\": {lines}"))
    };
    // The specimen of ICAO 9303 with the birth date's digit changed; then with the document number's.
    let zone = "[\"P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<\", \"L898902C36UTO7408123F1204159ZE184226B<<<<<10\"]";
    desk.put("intake-1.json", with_zone("1", zone));
    desk.put("intake-2.json", with_zone("2", &zone.replace("C36UTO", "C35UTO")));
    desk.put("intake-3.json", with_zone("3", "\"P<UTO\""));
    let scan = folder.scan(&desk.stop).await.expect("read");
    assert_eq!((scan.taken, scan.warned, scan.quarantined), (2, 2, 1));
    assert_eq!(desk.quarantined()[0]["field"], "/orang/mrz");
}
