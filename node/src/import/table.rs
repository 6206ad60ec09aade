//! CSV files, row by row: whatever is wrong with one row, the next is read.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::import::row::{Columns, Row};

/// Bytes of one row: a text as long as a body may be, twice, because another encoding or quotation marks may double it. What is
/// longer is a quotation mark that was never closed, and would otherwise fill the memory.
const ROW_BYTES_MAX: u64 = 1024 * 1024;
/// Bytes read at once.
const BUFFER_BYTES: usize = 64 * 1024;

/// Reads a table.
pub struct Table {
    reader: csv::Reader<Bounded>,
    left: Arc<AtomicU64>,
    columns: Arc<Columns>,
    /// Whether bytes were decoded, so that what could not be is now U+FFFD.
    decoded: Option<&'static str>,
    ended: bool,
}

/// Gives at most so many bytes between two rows.
struct Bounded {
    inner: Box<dyn Read + Send>,
    left: Arc<AtomicU64>,
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.left.load(Ordering::Relaxed);
        if left == 0 {
            return Err(io::Error::other("the row is too long"));
        }
        let read = self.inner.read(buffer)?;
        self.left.store(left.saturating_sub(read as u64), Ordering::Relaxed);
        Ok(read)
    }
}

impl Table {
    /// Reads the header.
    pub fn open(inner: Box<dyn Read + Send>, delimiter: u8, decoded: Option<&'static str>) -> Result<Table, String> {
        let left = Arc::new(AtomicU64::new(ROW_BYTES_MAX));
        let bounded = Bounded { inner, left: left.clone() };
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .flexible(true)
            // Of a line's end, the reader counts what it has read; a carriage return is trimmed off with the spaces.
            .terminator(csv::Terminator::Any(b'\n'))
            .buffer_capacity(BUFFER_BYTES)
            .from_reader(bounded);
        let header = reader.byte_headers().map_err(|error| format!("the header cannot be read: {error}"))?.clone();
        let header = csv::StringRecord::from_byte_record(header).map_err(
            |_| "the header is not UTF-8; save the file as UTF-8, or give `encoding` in [file] of the mapping",
        )?;
        let names: Vec<String> = header.iter().map(|name| name.trim().to_owned()).collect();
        if names.iter().all(String::is_empty) {
            return Err("has no header; its first line names the columns".to_owned());
        }
        Ok(Table { reader, left, columns: Arc::new(Columns::new(names)), decoded, ended: false })
    }

    /// Its columns.
    pub fn columns(&self) -> &Columns {
        &self.columns
    }

    /// The next row that is not empty and its line, or what is wrong with it.
    pub fn next_row(&mut self) -> Option<(u64, Result<Row, String>)> {
        let mut record = csv::ByteRecord::new();
        while !self.ended {
            self.left.store(ROW_BYTES_MAX, Ordering::Relaxed);
            let begins = self.reader.position().line();
            match self.reader.read_byte_record(&mut record) {
                Ok(false) => self.ended = true,
                Ok(true) if record.iter().all(|cell| cell.trim_ascii().is_empty()) => {}
                Ok(true) => {
                    // The reader's own place is before the empty lines that it passed over.
                    let breaks = |cell: &[u8]| cell.iter().filter(|byte| **byte == b'\n').count() as u64;
                    let within = record.iter().map(breaks).sum::<u64>();
                    let line = begins.max(self.reader.position().line().saturating_sub(within + 1));
                    return Some((line, self.row(record, line)));
                }
                Err(error) => {
                    // Where the row ends is not known, so neither where the next begins.
                    self.ended = true;
                    return Some((begins, Err(self.broken(&error))));
                }
            }
        }
        None
    }

    fn broken(&self, error: &csv::Error) -> String {
        match error.kind() {
            csv::ErrorKind::Io(_) if self.left.load(Ordering::Relaxed) == 0 => format!(
                "a row of more than {ROW_BYTES_MAX} bytes begins here: a quotation mark is not closed. Nothing after it was read"
            ),
            _ => format!("{error}; nothing after it was read"),
        }
    }

    fn row(&self, record: csv::ByteRecord, line: u64) -> Result<Row, String> {
        let (cells, columns) = (record.len(), self.columns.names().len());
        if cells != columns {
            // The reader is at the beginning of the next row.
            let last = self.reader.position().line().saturating_sub(1);
            let goes_on = match last > line {
                true => format!(", and goes on to line {last}: is a quotation mark not closed"),
                false => ": is a quotation mark missing".to_owned(),
            };
            return Err(format!("has {cells} cells where the header has {columns}{goes_on}?"));
        }
        let cells = csv::StringRecord::from_byte_record(record).map_err(|error| {
            let at = error.utf8_error().field();
            let column = self.columns.names().get(at).map_or("", String::as_str);
            format!("`{column}` is not UTF-8; save the file as UTF-8, or give `encoding` in [file] of the mapping")
        })?;
        if let Some(encoding) = self.decoded
            && let Some(at) = cells.iter().position(|cell| cell.contains('\u{fffd}'))
        {
            let column = self.columns.names().get(at).map_or("", String::as_str);
            return Err(format!("`{column}` is not {encoding}; correct `encoding` in [file] of the mapping"));
        }
        Ok(Row::Cells(self.columns.clone(), cells))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{ROW_BYTES_MAX, Table};

    fn rows(text: &str) -> Vec<(u64, Result<String, String>)> {
        let bytes = std::io::Cursor::new(text.as_bytes().to_vec());
        let mut table = Table::open(Box::new(bytes), b',', None).unwrap();
        std::iter::from_fn(|| table.next_row())
            .map(|(line, row)| (line, row.map(|row| row.text("b").into_owned())))
            .collect()
    }

    #[test]
    fn a_bad_row_is_told_by_its_line_and_the_next_is_read() {
        let read = rows("a,b\n1,one\n2\n\n3,\"three\nlines\n\"\n4,four,more\n5,five\n");
        let lines: Vec<u64> = read.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [2, 3, 5, 8, 9]);
        assert_eq!(read[0].1.as_deref(), Ok("one"));
        assert!(read[1].1.as_ref().unwrap_err().starts_with("has 1 cells where the header has 2"));
        assert_eq!(read[2].1.as_deref(), Ok("three\nlines\n"));
        assert!(read[3].1.as_ref().unwrap_err().contains("has 3 cells"));
        assert_eq!(read[4].1.as_deref(), Ok("five"));
    }

    #[test]
    fn lines_are_counted_as_an_editor_counts_them() {
        for text in ["a,b\n1,x\n\n\n2,\"y\n\"\n3,z", "a,b\r\n1,x\r\n\r\n\r\n2,\"y\r\n\"\r\n3,z\r\n"] {
            let lines: Vec<u64> = rows(text).into_iter().map(|(line, _)| line).collect();
            assert_eq!(lines, [2, 5, 7], "{text:?}");
        }
    }

    #[test]
    fn a_quotation_mark_that_is_not_closed_says_what_it_swallowed() {
        let read = rows("a,b\n1,one\n2\"two\n\"3,three\n4,four\n");
        let (line, what) = read.last().unwrap();
        assert_eq!(*line, 4);
        assert!(what.as_ref().unwrap_err().contains("goes on to line 5"), "{what:?}");
        let long = format!("a,b\n1,one\n2,\"{}", "x,y\n".repeat(ROW_BYTES_MAX as usize));
        let read = rows(&long);
        assert_eq!(read.len(), 2);
        assert!(read[1].0 == 3 && read[1].1.as_ref().unwrap_err().contains("is not closed"), "{:?}", read[1]);
    }
}
