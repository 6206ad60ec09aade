//! Resumption tokens: everything that the next page needs to know, so that nothing is kept here and none expires.

use super::request::{Format, Listing, Moment, Set};

/// Where a page ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The arrival of its last record.
    pub arrival: u64,
    /// Records delivered before the next page.
    pub delivered: u64,
}

/// The token of what follows: format, arrival, records delivered, from, until, set.
pub fn write(listing: &Listing, cursor: Cursor) -> String {
    let moment = |moment: &Option<Moment>| moment.as_ref().map(|moment| moment.text.clone()).unwrap_or_default();
    let set = listing.set.as_ref().map(ToString::to_string).unwrap_or_default();
    let (from, until) = (moment(&listing.from), moment(&listing.until));
    format!("{},{},{},{from},{until},{set}", listing.format.prefix(), cursor.arrival, cursor.delivered)
}

/// What a token stands for.
pub fn read(token: &str) -> Option<Listing> {
    let parts: Vec<&str> = token.split(',').collect();
    let [format, arrival, delivered, from, until, set] = parts.as_slice() else { return None };
    let cursor = Cursor { arrival: arrival.parse().ok()?, delivered: delivered.parse().ok()? };
    let moment = |text: &str| (!text.is_empty()).then(|| Moment::read("", text)).transpose().ok();
    Some(Listing {
        format: Format::read(format).ok()?,
        set: (!set.is_empty()).then(|| Set::read(set)).transpose().ok()?,
        from: moment(from)?,
        until: moment(until)?,
        cursor: Some(cursor),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{Cursor, read, write};
    use crate::oai::request::{Format, Listing, Moment, Set};

    #[test]
    fn a_token_carries_everything_and_others_are_none() {
        let cursor = Cursor { arrival: 4_711, delivered: 200 };
        let listing = Listing {
            format: Format::DublinCore,
            set: Some(Set::Member("KE-LC01".to_owned())),
            from: Some(Moment::read("from", "2026-11-28T09:30:00Z").unwrap()),
            until: None,
            cursor: Some(cursor),
        };
        assert_eq!(read(&write(&listing, cursor)), Some(listing));
        for token in
            ["", "oai_dc,1,1,,", "oai_dc,-1,1,,,", "marc,1,1,,,", "oai_dc,1,1,yesterday,,", "oai_dc,1,1,,,topic:cats"]
        {
            assert_eq!(read(token), None, "{token}");
        }
    }
}
