//! What a spreadsheet would make of a text: a cell that begins like a formula is computed, and a document may come from anyone.

use std::borrow::Cow;

/// With which a cell must not begin (OWASP: CSV injection), also in full width.
const FORMULAS: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];

/// A cell that no spreadsheet computes: one that begins like a formula gets an apostrophe in front, which whoever reads the file by
/// program takes off again.
pub fn inert(cell: &str) -> Cow<'_, str> {
    if cell.starts_with(FORMULAS) { Cow::Owned(format!("'{cell}")) } else { Cow::Borrowed(cell) }
}

#[cfg(test)]
mod tests {
    use super::inert;

    #[test]
    fn no_cell_computes() {
        for text in ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(1)", "\t=1", "\r=1", "\n=1", "＝1"] {
            assert_eq!(inert(text), format!("'{text}"));
        }
        assert_eq!(inert("a=b"), "a=b");
    }
}
