//! A time as pages and messages write it.

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
