//! JSON Lines, line by line: whatever is wrong with one, the next is read.

use std::io::{BufRead, Read};

/// Bytes of one line: a text as long as a body may be, with every character of it escaped as JSON may do.
const LINE_BYTES_MAX: u64 = 2 * 1024 * 1024;

/// Reads lines.
pub struct Lines<R> {
    reader: R,
    line: u64,
}

impl<R: BufRead> Lines<R> {
    /// From the first.
    pub fn new(reader: R) -> Lines<R> {
        Lines { reader, line: 0 }
    }

    /// The next line that is not empty and its number, or what is wrong with it.
    pub fn next_line(&mut self) -> Option<(u64, Result<String, String>)> {
        loop {
            let mut bytes = Vec::new();
            let read = self.reader.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut bytes);
            self.line += 1;
            match read {
                Ok(0) => return None,
                Ok(_) if bytes.len() as u64 == LINE_BYTES_MAX && bytes.last() != Some(&b'\n') => {
                    let what = format!("has more than {LINE_BYTES_MAX} bytes; no document is that long");
                    let rest = self.pass_over();
                    return Some((self.line, Err(rest.err().map_or(what, |error| error.to_string()))));
                }
                Ok(_) => {}
                Err(error) => return Some((self.line, Err(error.to_string()))),
            }
            match String::from_utf8(bytes) {
                Ok(text) if text.trim().is_empty() => {}
                Ok(text) => return Some((self.line, Ok(text))),
                Err(error) => {
                    let at = error.utf8_error().valid_up_to();
                    return Some((self.line, Err(format!("is not UTF-8 (byte {at}); JSON Lines are UTF-8"))));
                }
            }
        }
    }

    /// Reads over the rest of a line without keeping it.
    fn pass_over(&mut self) -> std::io::Result<()> {
        loop {
            let buffer = self.reader.fill_buf()?;
            if buffer.is_empty() {
                return Ok(());
            }
            let end = buffer.iter().position(|byte| *byte == b'\n');
            let used = end.map_or(buffer.len(), |at| at + 1);
            self.reader.consume(used);
            if end.is_some() {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{LINE_BYTES_MAX, Lines};

    #[test]
    fn a_bad_line_is_told_by_its_number_and_the_next_is_read() {
        let mut text = b"{\"a\": 1}\n\n\xff\n".to_vec();
        text.extend(vec![b'x'; LINE_BYTES_MAX as usize + 10]);
        text.extend(b"\nlast");
        let mut lines = Lines::new(text.as_slice());
        let read: Vec<_> = std::iter::from_fn(|| lines.next_line()).collect();
        assert_eq!(read.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [1, 3, 4, 5]);
        assert!(read[1].1.as_ref().unwrap_err().contains("not UTF-8"));
        assert!(read[2].1.as_ref().unwrap_err().contains("more than"));
        assert_eq!(read[3].1.as_deref(), Ok("last"));
    }
}
