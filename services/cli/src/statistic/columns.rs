//! Counts as a Parquet file, for whoever works on with columns. The columns are those of the comma-separated form; a hidden cell is null.

use std::{fs::File, path::Path, sync::Arc};

use anyhow::Context;
use parquet::{
    data_type::{ByteArray, ByteArrayType, DataType, Int64Type},
    file::{
        properties::WriterProperties,
        writer::{SerializedFileWriter, SerializedRowGroupWriter},
    },
    schema::parser::parse_message_type,
};
use simpul_proto::v1;

const SCHEMA: &str = "
    message count {
        required binary code (STRING);
        required binary unit (STRING);
        required binary from (STRING);
        required binary until (STRING);
        required int64 cut_off_position;
        required binary group (STRING);
        optional int64 value;
    }";

/// Writes the file anew.
///
/// # Errors
/// Where it cannot be written.
pub fn write(counted: &v1::CountResponse, path: &Path) -> anyhow::Result<()> {
    let shown = path.display();
    let file = File::create(path).with_context(|| format!("creating {shown}"))?;
    rows(counted, file).with_context(|| format!("writing {shown}"))
}

fn rows(counted: &v1::CountResponse, file: File) -> anyhow::Result<()> {
    let schema = Arc::new(parse_message_type(SCHEMA)?);
    let mut writer = SerializedFileWriter::new(file, schema, Arc::new(WriterProperties::default()))?;
    let mut group = writer.next_row_group()?;
    let cells: Vec<&v1::CountCell> = counted.rows.iter().chain(&counted.total).collect();
    let of = counted.definition.clone().unwrap_or_default();
    for text in [&of.code, &of.unit, &counted.from, &counted.until] {
        let column = vec![ByteArray::from(text.as_str()); cells.len()];
        column_of::<ByteArrayType>(&mut group, &column, None)?;
    }
    let position = i64::try_from(counted.cut_off_position).context("a position beyond 2^63")?;
    column_of::<Int64Type>(&mut group, &vec![position; cells.len()], None)?;
    let groups: Vec<ByteArray> = cells.iter().map(|cell| cell.group.as_str().into()).collect();
    column_of::<ByteArrayType>(&mut group, &groups, None)?;
    let there: Vec<i16> = cells.iter().map(|cell| i16::from(cell.value.is_some())).collect();
    let values: Vec<i64> = cells.iter().filter_map(|cell| i64::try_from(cell.value?).ok()).collect();
    column_of::<Int64Type>(&mut group, &values, Some(&there))?;
    group.close()?;
    writer.close()?;
    Ok(())
}

fn column_of<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, File>,
    values: &[T::T],
    there: Option<&[i16]>,
) -> anyhow::Result<()> {
    let mut column = group.next_column()?.context("a column of the schema")?;
    column.typed::<T>().write_batch(values, there, None)?;
    column.close()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use parquet::file::reader::{FileReader, SerializedFileReader};

    use super::*;

    #[test]
    fn what_is_read_back_is_what_was_counted_and_a_hidden_cell_is_null() {
        let cell = |group: &str, value| v1::CountCell { group: group.into(), value };
        let counted = v1::CountResponse {
            definition: Some(v1::StatisticDefinition {
                code: "tppo-cases".into(),
                unit: "CASE".into(),
                ..Default::default()
            }),
            from: "2025-01-01".into(),
            until: "2025-12-31".into(),
            cut_off_position: 77,
            rows: vec![cell("INQUIRY", Some(40)), cell("INDICTED", None)],
            total: Some(cell("", Some(43))),
            ..Default::default()
        };
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("cases.parquet");
        write(&counted, &path).expect("written");
        let read = SerializedFileReader::new(File::open(&path).expect("there")).expect("a Parquet file");
        let rows: Vec<String> =
            read.get_row_iter(None).expect("rows").map(|row| row.expect("a row").to_string()).collect();
        assert_eq!(rows.len(), 3);
        assert!(rows[0].contains("code: \"tppo-cases\"") && rows[0].contains("value: 40"), "{rows:?}");
        assert!(rows[1].contains("group: \"INDICTED\"") && rows[1].contains("value: null"), "{rows:?}");
        assert!(rows[2].contains("cut_off_position: 77") && rows[2].contains("value: 43"), "{rows:?}");
    }
}
