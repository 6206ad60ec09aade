//! Dates as others write them, into partial dates.

use jiff::fmt::strtime::BrokenDownTime;

/// The partial date that a text states, by the first pattern that fits all of it: `2026`, `2026-11` or `2026-11-23`. ISO dates,
/// with a time or without, are always understood. Patterns are strptime's: `%d.%m.%Y`, `%m/%Y`, `%b-%y`.
pub fn partial(text: &str, patterns: &[String]) -> Option<String> {
    let text = text.trim();
    let parsed = patterns.iter().find_map(|pattern| BrokenDownTime::parse(pattern, text).ok());
    let Some(parsed) = parsed else { return iso(text) };
    let year = parsed.year()?;
    match (parsed.month(), parsed.day()) {
        (Some(month), Some(day)) => Some(jiff::civil::Date::new(year, month, day).ok()?.to_string()),
        (Some(month), None) => Some(format!("{year:04}-{month:02}")),
        (None, _) => Some(format!("{year:04}")),
    }
}

/// `2026`, `2026-11`, `2026-11-23`, and that with a time after it.
fn iso(text: &str) -> Option<String> {
    let date = text.split(['T', ' ']).next()?;
    let digits = |part: &str, len: usize| part.len() == len && part.bytes().all(|byte| byte.is_ascii_digit());
    let parts: Vec<&str> = date.split('-').collect();
    let sound = match parts.as_slice() {
        [year] => digits(year, 4),
        [year, month] => digits(year, 4) && digits(month, 2) && ("01"..="12").contains(month),
        [_, _, _] => date.len() == 10 && date.parse::<jiff::civil::Date>().is_ok(),
        _ => false,
    };
    sound.then(|| date.to_owned())
}

#[cfg(test)]
mod tests {
    use super::partial;

    #[test]
    fn dates_as_they_occur() {
        let patterns: Vec<String> =
            ["%m/%d/%Y %H:%M:%S", "%m/%d/%Y %H:%M", "%m/%d/%Y", "%m/%Y", "%b-%y"].map(str::to_owned).into();
        for (written, meant) in [
            ("2024-10-01 00:00:00", Some("2024-10-01")),
            ("2024-10-01T12:00:00Z", Some("2024-10-01")),
            ("01/2024", Some("2024-01")),
            ("01/02/2026 00:00:00", Some("2026-01-02")),
            ("7/4/2025 9:05", Some("2025-07-04")),
            ("7/4/2025", Some("2025-07-04")),
            ("Jul-25", Some("2025-07")),
            ("2023", Some("2023")),
            ("13/2024", None),
            ("02/30/2024", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(partial(written, &patterns).as_deref(), meant, "{written}");
        }
    }
}
