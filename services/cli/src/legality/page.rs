//! The page of a certificate: Indonesian first, English below, one sheet of paper, no more about the person than the
//! verdict says, which names nobody.

use std::fmt::Write;

use anyhow::Context;
use qrcode::{EcLevel, QrCode, render::svg};
use simpul_proto::v1::{Verdict, VerdictKind};

use crate::output::time;

const STYLE: &str = "\
body{font:11pt/1.4 Georgia,serif;max-width:170mm;margin:15mm auto;color:#000}\
h1{font-size:16pt;margin:0}h2{font-size:14pt;margin:6mm 0 2mm}.en{color:#444;font-style:italic}\
table{border-collapse:collapse;width:100%}td{border-top:.3mm solid #999;padding:1.2mm 2mm 1.2mm 0;vertical-align:top}\
.code{display:flex;gap:6mm;align-items:flex-start;margin-top:6mm}.code svg{width:60mm;height:60mm;flex:none}\
code{font:6pt/1.3 monospace;overflow-wrap:anywhere}";

/// The verdict as a page; `code` is the text of the QR code.
///
/// # Errors
/// Where the text does not fit into a QR code.
pub fn html(verdict: &Verdict, code: &str, key_id: &str) -> anyhow::Result<String> {
    let image = QrCode::with_error_correction_level(code, EcLevel::M)
        .context("the certificate does not fit into a QR code")?
        .render::<svg::Color<'_>>()
        .quiet_zone(true)
        .build();
    let image = image.find("<svg").map_or("", |start| &image[start..]);
    let (answer_id, answer_en) = answer(verdict.kind());

    let mut page = String::with_capacity(image.len() + 8_192);
    let _ = write!(
        page,
        "<!doctype html>\n<html lang=\"id\"><head><meta charset=\"utf-8\">\
         <title>Keterangan legalitas penempatan</title><style>{STYLE}</style></head><body>\n\
         <h1>Keterangan legalitas penempatan</h1>\n<p class=\"en\">Certificate on the legality of a placement</p>\n\
         <h2>{answer_id}</h2>\n<p class=\"en\">{answer_en}</p>\n<table>\n"
    );
    let answered = format!("{} \u{2192} {}", time(verdict.answered_at_us), verdict.agency);
    let rows = [
        ("Dinilai untuk tanggal", "Judged for", verdict.valid_at.clone()),
        ("Kumpulan aturan", "Rule set", verdict.rule_set.clone()),
        ("Skema", "Scheme", scheme(verdict)),
        ("Negara tujuan", "Destination", verdict.destination.clone()),
        ("Keadaan setelah berangkat", "After departure", verdict.post_departure.clone()),
        ("Dijawab", "Answered", answered),
        ("Menurut pengetahuan pada", "As known at", verdict.known_at_us.map(time).unwrap_or_default()),
        ("Catatan akses", "Access entry", verdict.access_entry.to_string()),
        ("Dapat menjawab", "Can answer", verdict.can_answer.join(", ")),
        ("Catatan", "Notes", verdict.warnings.join(", ")),
    ];
    for (id, en, value) in rows.iter().filter(|(_, _, value)| !value.is_empty()) {
        let value = escaped(value);
        let _ = writeln!(page, "<tr><td>{id}<br><span class=\"en\">{en}</span></td><td>{value}</td></tr>");
    }
    // Where nobody is on record every requirement is open; the answer says it in one sentence.
    let decisive = verdict.requirements.iter().filter(|row| row.decides);
    let shown = if verdict.placement_ref.is_empty() { 1 } else { usize::MAX };
    for row in decisive.take(shown) {
        let id = if verdict.placement_ref.is_empty() { "" } else { row.id.as_str() };
        let (reason_id, reason) = (escaped(&row.reason_id), escaped(&row.reason));
        let (id, law) = (escaped(id), escaped(&row.legal_source));
        let _ = writeln!(
            page,
            "<tr><td>{id} {law}</td><td>{reason_id}<br><span class=\"en\">{reason}</span></td></tr>"
        );
    }
    let key_id = escaped(key_id);
    let _ = write!(
        page,
        "</table>\n<div class=\"code\">{image}<div>\
         <p>Keterangan ini tidak menyebut nama; pemegangnya menunjukkan dokumennya sendiri. Keterangan ini tidak \
         membatasi perlindungan atau layanan apa pun: setiap pekerja tetap memiliki semua haknya.</p>\n\
         <p class=\"en\">This certificate names nobody; its holder shows a document of his or her own. It gates no \
         protection and no service: every worker keeps every right.</p>\n\
         <p>Periksa tanpa jaringan / Check offline:<br><code>simpul legality verify-certificate FILE --key KEY</code> \
         ({key_id})</p>\n<p><code>{code}</code></p></div></div>\n</body></html>\n"
    );
    Ok(page)
}

fn answer(kind: VerdictKind) -> (&'static str, &'static str) {
    match kind {
        VerdictKind::Procedural => ("PROSEDURAL", "Procedural"),
        VerdictKind::NonProcedural => ("NON-PROSEDURAL", "Non-procedural"),
        VerdictKind::InsufficientEvidence => ("TIDAK CUKUP BUKTI", "Insufficient evidence"),
        VerdictKind::NotAMigrantWorker => ("BUKAN PMI", "Not a migrant worker under UU 18/2017"),
        VerdictKind::Unspecified => ("-", "-"),
    }
}

fn scheme(verdict: &Verdict) -> String {
    match verdict.scheme() {
        simpul_proto::v1::Scheme::Unspecified => String::new(),
        scheme => scheme.as_str_name().into(),
    }
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out
}
