//! What goes to stdout and stderr.

use std::io::Write;

use anyhow::Context;
use serde::Serialize;
use simpul_types::Timestamp;

/// One JSON object on a line of its own.
///
/// # Errors
/// Where stdout does not take it.
pub fn json_line(out: &mut dyn Write, value: &impl Serialize) -> anyhow::Result<()> {
    serde_json::to_writer(&mut *out, value).map_err(std::io::Error::from)?;
    writeln!(out)?;
    Ok(())
}

/// A remark for the person in front of the terminal; never part of the answer.
pub fn remark(text: std::fmt::Arguments<'_>) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// The answer of a call, or the hub's refusal in words.
///
/// # Errors
/// The refusal.
pub fn answer<T>(result: Result<tonic::Response<T>, tonic::Status>) -> anyhow::Result<T> {
    result.map(tonic::Response::into_inner).map_err(refusal)
}

/// A gRPC status as a sentence, with the hub's own reason where it gave one.
pub fn refusal(status: tonic::Status) -> anyhow::Error {
    match simpul_proto::status::from_status(&status) {
        Some(rejection) => anyhow::anyhow!("{}", simpul_types::Rejection::from(rejection)),
        None if status.message().is_empty() => anyhow::anyhow!("{}", status.code().description()),
        None => anyhow::anyhow!("{:?}: {}", status.code(), status.message()),
    }
}

/// Rows in columns as wide as their widest cell; the last column is not padded.
///
/// # Errors
/// Where stdout does not take it.
pub fn table<const N: usize>(
    out: &mut dyn Write,
    head: [&str; N],
    rows: &[[String; N]],
) -> anyhow::Result<()> {
    let mut widths = head.map(|cell| cell.chars().count());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let head = head.map(String::from);
    for row in std::iter::once(&head).chain(rows) {
        let mut line = String::from(" ");
        for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
            let width = if column + 1 == N { 0 } else { width };
            line.push_str(&format!(" {cell:width$}"));
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// Microseconds since the epoch as people read them; a dash for none.
pub fn time(us: i64) -> String {
    if us == 0 { "-".into() } else { Timestamp::from_us(us).to_string() }
}

/// An RFC 3339 time from the command line, as microseconds.
///
/// # Errors
/// Where it is not one.
pub fn parse_time(text: &str) -> anyhow::Result<i64> {
    let time: Timestamp = text.parse().with_context(|| format!("{text:?} is no time"))?;
    Ok(time.as_us())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut out = Vec::new();
        table(&mut out, ["id", "state", "why"], &[["R1".into(), "NOT_MET".into(), "young".into()]])
            .expect("a vector takes all");
        assert_eq!(String::from_utf8(out).expect("text"), "  id state   why\n  R1 NOT_MET young\n");
    }

    #[test]
    fn a_refusal_names_reason_and_field() {
        let rejection =
            simpul_types::Rejection::new(simpul_types::RejectReason::PolicyDenied, "no policy allows it")
                .at("purpose");
        let status = simpul_proto::status::to_status(&rejection.to_wire());
        assert_eq!(refusal(status).to_string(), "POLICY_DENIED at purpose: no policy allows it");
    }
}
