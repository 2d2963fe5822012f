//! One panel per workload, one bar per system, in an SVG that needs no script and no font of its own.

use std::fmt::Write;

use super::rounds::{Figure, is_simpul};

const COLUMNS: usize = 2;
const PANEL_WIDTH: usize = 600;
const NAME_WIDTH: usize = 240;
const BAR_WIDTH_MAX: f64 = 210.0;
const BAR_HEIGHT: usize = 16;
const ROW_HEIGHT: usize = 23;
const PANEL_HEAD: usize = 46;
const HEAD: usize = 84;
const FOOT: usize = 64;

/// Panels of all workloads with a ratio; `None` where there is none.
pub fn svg(figures: &[Figure]) -> Option<String> {
    let compared: Vec<&Figure> =
        figures.iter().filter(|figure| figure.ratio_to_best_peer.is_some()).collect();
    let mut workloads: Vec<&str> = Vec::new();
    for figure in &compared {
        if !workloads.contains(&figure.workload.as_str()) {
            workloads.push(&figure.workload);
        }
    }
    let panels: Vec<Vec<&Figure>> = workloads
        .iter()
        .map(|workload| {
            let mut panel: Vec<_> =
                compared.iter().copied().filter(|figure| figure.workload == *workload).collect();
            panel.sort_by(|a, b| b.events_per_s.total_cmp(&a.events_per_s));
            panel
        })
        .collect();
    let panel_height = PANEL_HEAD + ROW_HEIGHT * panels.iter().map(Vec::len).max()?;
    let (width, height) =
        (COLUMNS * PANEL_WIDTH + 40, HEAD + panels.len().div_ceil(COLUMNS) * panel_height + FOOT);
    let mut svg = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" font-family="Helvetica, Arial, 'DejaVu Sans', sans-serif" font-size="13" fill="#1f2933">
<rect width="100%" height="100%" fill="#ffffff"/>
<text x="24" y="34" font-size="20" font-weight="bold">Durable events per second, Simpul beside other event stores</text>
<text x="24" y="58" fill="#52606d">600-byte payloads, same machine, same disk, medians over rounds; × = ratio to the fastest durable peer; each panel has its own scale</text>
"##
    );
    for (index, panel) in panels.iter().enumerate() {
        let (x, y) = (24 + index % COLUMNS * PANEL_WIDTH, HEAD + index / COLUMNS * panel_height);
        push_panel(&mut svg, panel, x, y);
    }
    let _ = write!(
        svg,
        r##"<text x="24" y="{}" fill="#52606d">Simpul with mutual TLS, signatures, sealing, Merkle proofs, access log and read models on; its SDK coalesces callers, the peers’ clients do not.</text>
<text x="24" y="{}" fill="#52606d">Peers without TLS, signatures, proofs or access control. Hatched: acknowledged before it is on stable storage.</text>
<defs><pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect width="6" height="6" fill="#e4e7eb"/><rect width="2" height="6" fill="#9aa5b1"/></pattern></defs>
</svg>
"##,
        height - 36,
        height - 16
    );
    Some(svg)
}

fn push_panel(svg: &mut String, panel: &[&Figure], x: usize, y: usize) {
    let largest = panel.iter().map(|figure| figure.events_per_s).fold(1.0, f64::max);
    let title = title(&panel[0].workload);
    let _ = writeln!(svg, r#"<text x="{x}" y="{}" font-size="15" font-weight="bold">{title}</text>"#, y + 22);
    for (row, figure) in panel.iter().enumerate() {
        let top = y + PANEL_HEAD - 12 + row * ROW_HEIGHT;
        let (bar, length) = (x + NAME_WIDTH, (figure.events_per_s / largest * BAR_WIDTH_MAX).max(1.0));
        let simpul = is_simpul(&figure.system);
        let fill = match (simpul, figure.durable) {
            (true, _) => "#0b6e4f",
            (false, true) => "#7b8794",
            (false, false) => "url(#hatch)",
        };
        let weight = if simpul { "bold" } else { "normal" };
        let text = top + 13;
        let _ = writeln!(
            svg,
            r#"<text x="{}" y="{text}" text-anchor="end" font-weight="{weight}">{}</text><rect x="{bar}" y="{top}" width="{length:.0}" height="{BAR_HEIGHT}" fill="{fill}"/><text x="{:.0}" y="{text}" font-weight="{weight}">{}{}</text>"#,
            bar - 8,
            figure.system,
            bar as f64 + length + 6.0,
            grouped(figure.events_per_s),
            figure.ratio_to_best_peer.map_or(String::new(), |ratio| format!("  ({ratio:.2}×)")),
        );
    }
}

fn title(workload: &str) -> String {
    let callers = |count: &str| if count == "1" { "1 caller".into() } else { format!("{count} callers") };
    match (workload.strip_prefix('c'), workload.split_once('x')) {
        (Some(count), _) => format!("{}, 1 event each", callers(count)),
        (None, Some((count, batch))) => format!("{}, {batch} events each", callers(count)),
        _ => "Read everything in order".into(),
    }
}

fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
