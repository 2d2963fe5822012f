//! Splits a CSV file into records without trusting it: a quote that is never closed must not swallow the rest.
//!
//! A record may span lines inside quotes, up to [`RECORD_LINES_MAX`]. Where a quote is not closed by then, the line it
//! began on is a record of its own, marked [`Form::OpenQuote`], and reading goes on with the next line. The same where a
//! quote that was opened lines before is "closed" in the middle of a field: that is where the next quoted field begins.

/// Lines that one record may span; an address has fewer.
const RECORD_LINES_MAX: usize = 32;

/// One record of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Line it begins on, from 1.
    pub line: u64,
    /// Its bytes, without the line end.
    pub bytes: &'a [u8],
    /// What stands at its end.
    pub form: Form,
}

/// How a record ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// With a line end.
    Whole,
    /// With the end of the file: it may be half written.
    Unfinished,
    /// With the line, though a quote is open.
    OpenQuote,
}

/// Without the byte order mark that spreadsheets put in front.
pub fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

/// The records of a file, empty lines left out. A field is quoted where it begins with `"`; `""` stands for one quote.
pub fn records(bytes: &[u8], delimiter: u8) -> impl Iterator<Item = Record<'_>> {
    let mut at = 0;
    let mut line = 1;
    std::iter::from_fn(move || {
        while at < bytes.len() {
            let (start, first) = (at, line);
            let (end, form) = end_of(bytes, start, delimiter);
            let raw = &bytes[start..end];
            at = (end + 1).min(bytes.len());
            line += 1 + raw.iter().filter(|&&byte| byte == b'\n').count() as u64;
            let raw = raw.strip_suffix(b"\r").unwrap_or(raw);
            if !raw.iter().all(u8::is_ascii_whitespace) {
                return Some(Record { line: first, bytes: raw, form });
            }
        }
        None
    })
}

/// The fields of one record, quotes taken off. What stands behind a closing quote is kept as it is.
pub fn fields(record: &[u8], delimiter: u8) -> Vec<Vec<u8>> {
    let mut fields = vec![Vec::new()];
    let mut quoted = false;
    let mut at = 0;
    while at < record.len() {
        let byte = record[at];
        let field = fields.last_mut().expect("there is always one");
        match byte {
            b'"' if quoted && record.get(at + 1) == Some(&b'"') => {
                field.push(b'"');
                at += 1;
            }
            b'"' if quoted => quoted = false,
            b'"' if at == 0 || record[at - 1] == delimiter && field.is_empty() => quoted = true,
            _ if byte == delimiter && !quoted => fields.push(Vec::new()),
            _ => field.push(byte),
        }
        at += 1;
    }
    fields
}

/// Where the record that begins at `start` ends, and how.
fn end_of(bytes: &[u8], start: usize, delimiter: u8) -> (usize, Form) {
    let mut quoted = false;
    let mut field_begins = true;
    let mut lines = 1;
    let mut first_end = None;
    let mut at = start;
    while at < bytes.len() {
        match bytes[at] {
            b'"' if quoted && bytes.get(at + 1) == Some(&b'"') => at += 1,
            b'"' if quoted => {
                quoted = false;
                // What closes here, lines later and in the middle of a field, is the opening quote of another row.
                let ends = bytes.get(at + 1).is_none_or(|&next| next == delimiter || b"\r\n".contains(&next));
                if let (Some(end), false) = (first_end, ends) {
                    return (end, Form::OpenQuote);
                }
            }
            b'"' if field_begins => quoted = true,
            b'\n' if !quoted => return (at, Form::Whole),
            b'\n' => {
                first_end.get_or_insert(at);
                lines += 1;
                if lines > RECORD_LINES_MAX {
                    break;
                }
            }
            _ => {}
        }
        field_begins = !quoted && bytes[at] == delimiter;
        at += 1;
    }
    match (quoted, first_end) {
        (true, Some(end)) => (end, Form::OpenQuote),
        _ => (bytes.len(), Form::Unfinished),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: &[(u64, &str, Form)]) {
        let found: Vec<_> = records(text.as_bytes(), b';')
            .map(|record| (record.line, std::str::from_utf8(record.bytes).expect("text"), record.form))
            .collect();
        assert_eq!(found, expect, "{text:?}");
    }

    #[test]
    fn records_end_at_lines_and_line_numbers_hold() {
        use Form::{Unfinished, Whole};
        check("a;b\n1;2\n", &[(1, "a;b", Whole), (2, "1;2", Whole)]);
        check("a;b\r\n\r\n1;2\r\n", &[(1, "a;b", Whole), (3, "1;2", Whole)]);
        check("a\n\"x\ny\";2\n3\n", &[(1, "a", Whole), (2, "\"x\ny\";2", Whole), (4, "3", Whole)]);
        check(
            "a\n\"say \"\"yes\"\"\";2\n3\n",
            &[(1, "a", Whole), (2, "\"say \"\"yes\"\"\";2", Whole), (3, "3", Whole)],
        );
        check("a\n5\" pipe;2\n3\n", &[(1, "a", Whole), (2, "5\" pipe;2", Whole), (3, "3", Whole)]);
        check("a\n1;2", &[(1, "a", Whole), (2, "1;2", Unfinished)]);
        check("", &[]);
    }

    #[test]
    fn an_open_quote_costs_one_line() {
        use Form::{OpenQuote, Unfinished, Whole};
        let many = "1;2\n".repeat(40);
        let records: Vec<_> = records_of(&format!("a;b\n\"open;2\n{many}"));
        assert_eq!(records.len(), 42);
        assert_eq!((records[1].1.as_str(), records[1].2), ("\"open;2", OpenQuote));
        assert!(records[2..].iter().all(|record| record.1 == "1;2" && record.2 == Whole));
        // Near the end of the file too; a quote open in the very last line may still be written on.
        check("\"open;2\n3;4\n", &[(1, "\"open;2", OpenQuote), (2, "3;4", Whole)]);
        check("\"open;2\n3;\"x; y\"\n", &[(1, "\"open;2", OpenQuote), (2, "3;\"x; y\"", Whole)]);
        check("3;4\n\"open;2", &[(1, "3;4", Whole), (2, "\"open;2", Unfinished)]);
    }

    fn records_of(text: &str) -> Vec<(u64, String, Form)> {
        let found = records(text.as_bytes(), b';');
        found
            .map(|record| (record.line, String::from_utf8_lossy(record.bytes).into_owned(), record.form))
            .collect()
    }

    #[test]
    fn fields_lose_their_quotes() {
        let check = |record: &str, expect: &[&str]| {
            let found = fields(record.as_bytes(), b';');
            assert!(
                found.iter().map(Vec::as_slice).eq(expect.iter().map(|field| field.as_bytes())),
                "{record}"
            );
        };
        check("", &[""]);
        check("a;b;", &["a", "b", ""]);
        check("\"a;b\";c", &["a;b", "c"]);
        check("\"say \"\"yes\"\"\";\"\"", &["say \"yes\"", ""]);
        check("\"two\nlines\";\";\";x", &["two\nlines", ";", "x"]);
        check("5\" pipe;\"a\"b", &["5\" pipe", "ab"]);
    }

    #[test]
    fn the_byte_order_mark_goes() {
        assert_eq!(without_mark("\u{feff}NIK".as_bytes()), b"NIK");
        assert_eq!(without_mark(b"NIK"), b"NIK");
    }
}
