//! A time as pages and messages write it.

use jiff::Unit;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// A day in UTC.
pub fn day(ms: u64) -> String {
    minute(ms).get(..10).unwrap_or_default().to_owned()
}

/// A minute in UTC.
pub fn minute(ms: u64) -> String {
    format(ms, "%Y-%m-%d %H:%M UTC").unwrap_or_else(|| "unknown".to_owned())
}

/// A second in UTC, as RFC 3339 writes it. A time beyond the year 9999 is the end of that year.
pub fn second(ms: u64) -> String {
    format(ms, "%Y-%m-%dT%H:%M:%SZ").unwrap_or_else(|| "9999-12-31T23:59:59Z".to_owned())
}

/// A second as HTTP writes it.
pub fn http(ms: u64) -> String {
    format(ms, "%a, %d %b %Y %H:%M:%S GMT").unwrap_or_default()
}

/// Such a second, Unix milliseconds; `None` where it is none.
pub fn read_http(text: &str) -> Option<u64> {
    let time = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    u64::try_from(time.as_second()).ok()?.checked_mul(1000)
}

fn format(ms: u64, how: &str) -> Option<String> {
    let time = i64::try_from(ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok())?;
    Some(time.strftime(how).to_string())
}

/// How far off a day is, or how long ago it was: "in 5 days", "today", "3 days ago". Empty for what is no day.
pub fn until(day: &str, now_ms: u64) -> String {
    let Some((day, today)) = day.parse::<Date>().ok().zip(date(now_ms)) else { return String::new() };
    let Ok(days) = today.until((Unit::Day, day)) else { return String::new() };
    match days.get_days() {
        0 => "today".to_owned(),
        1 => "tomorrow".to_owned(),
        -1 => "yesterday".to_owned(),
        days if days > 0 => format!("in {days} days"),
        days => format!("{} days ago", -days),
    }
}

/// How long ago a partial date was, in whole months or years, where that is two months or more. Of a month or a year that is not
/// over, its last day counts.
pub fn age(date_or_part: &str, now_ms: u64) -> Option<String> {
    let last = match date_or_part.len() {
        4 => format!("{date_or_part}-12-31").parse::<Date>().ok()?,
        7 => format!("{date_or_part}-01").parse::<Date>().ok()?.last_of_month(),
        _ => date_or_part.parse::<Date>().ok()?,
    };
    let months = last.until((Unit::Month, date(now_ms)?)).ok()?.get_months();
    match months {
        ..2 => None,
        2..24 => Some(format!("{months} months")),
        _ => Some(format!("{} years", months / 12)),
    }
}

fn date(ms: u64) -> Option<Date> {
    let time = jiff::Timestamp::from_millisecond(i64::try_from(ms).ok()?).ok()?;
    Some(TimeZone::UTC.to_datetime(time).date())
}

#[cfg(test)]
mod tests {
    use super::{age, until};

    /// 2026-11-28, 09:00 UTC.
    const NOW_MS: u64 = 1_795_856_400_000;

    #[test]
    fn a_deadline_is_said_in_days() {
        for (day, words) in [
            ("2026-12-03", "in 5 days"),
            ("2026-11-29", "tomorrow"),
            ("2026-11-28", "today"),
            ("2026-11-27", "yesterday"),
            ("2026-10-29", "30 days ago"),
            ("2026-11", ""),
            ("", ""),
        ] {
            assert_eq!(until(day, NOW_MS), words, "{day}");
        }
    }

    #[test]
    fn what_was_checked_long_ago_is_said_to_be_old() {
        assert_eq!(age("2025-09-28", NOW_MS).as_deref(), Some("14 months"));
        assert_eq!(age("2025-09", NOW_MS).as_deref(), Some("13 months"));
        assert_eq!(age("2023", NOW_MS).as_deref(), Some("2 years"));
        assert_eq!(age("2026-10", NOW_MS), None);
        assert_eq!(age("2026", NOW_MS), None);
        assert_eq!(age("soon", NOW_MS), None);
    }
}
