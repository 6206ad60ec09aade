//! Which language a reader would have something in.

/// Languages of a list that are looked at.
const LANGUAGES_MAX: usize = 10;
/// What stands in where nothing is there in any language the reader names.
const LAST_RESORT: &str = "en";

/// Languages to try, best first, for a list as browsers send it (`es-MX,fr;q=0.8`) or a single tag: each of them, then what it is a
/// sort of (`es`), as RFC 4647 looks up, and English at the end. Of nothing, nothing.
pub fn languages(list: &str) -> Vec<String> {
    let weighed = |item: &str| {
        let mut parts = item.split(';').map(str::trim);
        let tag = parts.next().filter(|tag| oxilangtag::LanguageTag::parse(*tag).is_ok())?.to_owned();
        let weight = parts.find_map(|part| part.strip_prefix("q=")?.parse::<f32>().ok()).unwrap_or(1.0);
        (weight > 0.0).then_some((tag, weight))
    };
    let mut wanted: Vec<(String, f32)> = list.split(',').filter_map(weighed).take(LANGUAGES_MAX).collect();
    wanted.sort_by(|a, b| b.1.total_cmp(&a.1));
    let mut chain: Vec<String> = Vec::new();
    for (tag, _) in &wanted {
        let ends = tag.match_indices('-').map(|(at, _)| at).chain([tag.len()]).collect::<Vec<_>>();
        chain.extend(ends.into_iter().rev().filter_map(|end| tag.get(..end)).map(str::to_owned));
    }
    if !chain.is_empty() {
        chain.push(LAST_RESORT.to_owned());
    }
    let mut seen = Vec::new();
    chain.retain(|tag| {
        let new = !seen.contains(&tag.to_lowercase());
        seen.push(tag.to_lowercase());
        new
    });
    chain
}

/// Which of some tags comes closest to what is wanted: the first wanted one that is there, or of which there is a sort.
pub fn closest<'a>(wanted: &[String], there: &[&'a str]) -> Option<&'a str> {
    let is = |tag: &str, one: &str| tag.eq_ignore_ascii_case(one);
    let is_sort = |tag: &str, one: &str| {
        one.split_at_checked(tag.len()).is_some_and(|(start, rest)| is(tag, start) && rest.starts_with('-'))
    };
    wanted.iter().find_map(|tag| {
        let exactly = there.iter().find(|one| is(tag, one));
        exactly.or_else(|| there.iter().find(|one| is_sort(tag, one))).copied()
    })
}

#[cfg(test)]
mod tests {
    use super::{closest, languages};

    #[test]
    fn a_reader_gets_what_comes_closest() {
        assert_eq!(languages("es-MX"), ["es-MX", "es", "en"]);
        assert_eq!(languages("fr;q=0.5, zh-Hant-TW, *;q=0.1,en;q=0"), ["zh-Hant-TW", "zh-Hant", "zh", "fr", "en"]);
        assert_eq!(languages(""), Vec::<String>::new());
        assert_eq!(languages("english please"), Vec::<String>::new());
        let pick = |list: &str, there: &[&'static str]| closest(&languages(list), there);
        assert_eq!(pick("es-MX", &["en", "es", "fi"]), Some("es"));
        assert_eq!(pick("es-MX", &["en", "fi"]), Some("en"));
        assert_eq!(pick("es", &["es-419", "en"]), Some("es-419"));
        assert_eq!(pick("es", &["fi"]), None);
    }
}
