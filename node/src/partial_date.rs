//! Dates of which only the year or the month may be known, as the spans of days they are.

/// A year, month or day, or what lies between two, as its first and last day, each written `yyyymmdd`. A month's last day is
/// counted as the 31st: nothing lies between that and the next month's first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Its first day.
    pub first: u64,
    /// Its last.
    pub last: u64,
}

/// Later than every day that can be written.
const END: u64 = 99_991_231;

impl Span {
    /// `2026`, `2026-11` or `2026-11-23`, and a day that exists.
    pub fn parse(text: &str) -> Option<Span> {
        let number = |part: &str, len: usize| {
            let digits = part.len() == len && part.bytes().all(|byte| byte.is_ascii_digit());
            if digits { part.parse::<u64>().ok() } else { None }
        };
        let parts: Vec<&str> = text.split('-').collect();
        match parts.as_slice() {
            [year] => number(year, 4).map(|year| Span { first: year * 10_000 + 101, last: year * 10_000 + 1231 }),
            [year, month] => {
                let month = number(month, 2).filter(|month| (1..=12).contains(month))?;
                let month = number(year, 4)? * 10_000 + month * 100;
                Some(Span { first: month + 1, last: month + 31 })
            }
            [year, month, day] if text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok() => {
                let day = number(year, 4)? * 10_000 + number(month, 2)? * 100 + number(day, 2)?;
                Some(Span { first: day, last: day })
            }
            _ => None,
        }
    }

    /// What a reader asks for: a date; `2024..2026`, where either end may be left out; `>=2024-06`, `>`, `<=` or `<`.
    pub fn range(text: &str) -> Option<Span> {
        let date = |text: &str| Span::parse(text.trim());
        if let Some((from, to)) = text.split_once("..") {
            let first = if from.trim().is_empty() { Some(0) } else { date(from).map(|from| from.first) };
            let last = if to.trim().is_empty() { Some(END) } else { date(to).map(|to| to.last) };
            return Some(Span { first: first?, last: last? });
        }
        let (sign, day) = text.split_at(text.find(|c: char| !matches!(c, '<' | '>' | '=')).unwrap_or(text.len()));
        let Span { first, last } = date(day)?;
        match sign {
            "" | "=" => Some(Span { first, last }),
            ">=" => Some(Span { first, last: END }),
            ">" => Some(Span { first: last + 1, last: END }),
            "<=" => Some(Span { first: 0, last }),
            "<" => Some(Span { first: 0, last: first - 1 }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{END, Span};

    #[test]
    fn dates_are_spans_and_ranges_are_what_lies_between() {
        let span = |first, last| Some(Span { first, last });
        assert_eq!(Span::parse("2024"), span(20_240_101, 20_241_231));
        assert_eq!(Span::parse("2024-02"), span(20_240_201, 20_240_231));
        assert_eq!(Span::parse("2024-02-29"), span(20_240_229, 20_240_229));
        for wrong in ["", "24", "2024-13", "2023-02-29", "2024-2-1", "2024-02-29T00", "+024", "2024-02-29-"] {
            assert_eq!(Span::parse(wrong), None, "{wrong}");
        }
        assert_eq!(Span::range("2024..2026-03"), span(20_240_101, 20_260_331));
        assert_eq!(Span::range("..2026"), span(0, 20_261_231));
        assert_eq!(Span::range("2026-05.."), span(20_260_501, END));
        assert_eq!(Span::range(">=2025-06"), span(20_250_601, END));
        assert_eq!(Span::range(">2025"), span(20_251_232, END));
        assert_eq!(Span::range("<2025"), span(0, 20_250_100));
        assert_eq!(Span::range("<=2025"), span(0, 20_251_231));
        assert_eq!(Span::range("=>2025"), None);
        assert_eq!(Span::range("2024..soon"), None);
    }
}
