//! A time as pages and messages write it.

/// A day in UTC.
pub fn day(ms: u64) -> String {
    minute(ms).get(..10).unwrap_or_default().to_owned()
}

/// A minute in UTC.
pub fn minute(ms: u64) -> String {
    let time = i64::try_from(ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    time.map_or_else(|| "unknown".to_owned(), |time| time.strftime("%Y-%m-%d %H:%M UTC").to_string())
}
