//! Tags of languages as others write them, into BCP 47 as we do.

use oxilangtag::LanguageTag;

/// Words that occur for languages in real files and are none: the Spanish abbreviation, and Mexico's code.
const MISTAKEN: &[(&str, &str)] = &[("esp", "es"), ("mx", "es-MX")];

/// The canonical tag: `eng` is `en`, `PT_br` is `pt-BR`, `arb` is `ar`. What is no tag stays, so that the check can say so.
pub fn normal(tag: &str) -> String {
    let hyphened = tag.trim().replace('_', "-");
    let lower = hyphened.to_ascii_lowercase();
    if let Some((_, meant)) = MISTAKEN.iter().find(|(word, _)| *word == lower) {
        return (*meant).to_owned();
    }
    if LanguageTag::parse(hyphened.as_str()).is_err() {
        return tag.to_owned();
    }
    let canonicalizer = icu_locale::LocaleCanonicalizer::new_extended();
    match icu_locale::Locale::try_from_str(&hyphened) {
        Ok(mut locale) => {
            canonicalizer.canonicalize(&mut locale);
            locale.to_string()
        }
        // Private and grandfathered tags are beyond CLDR; they are sound all the same.
        Err(_) => hyphened,
    }
}

#[cfg(test)]
mod tests {
    use super::normal;

    #[test]
    fn tags_as_they_occur_in_real_files() {
        for (written, meant) in [
            ("eng", "en"),
            ("esp", "es"),
            ("mx", "es-MX"),
            ("ita", "it"),
            ("arb", "ar"),
            ("cmn-hans", "zh-Hans"),
            ("swh", "sw"),
            ("PT_br", "pt-BR"),
            ("de-1996", "de-1996"),
            ("el-monoton", "el-monoton"),
            ("fuf-Adlm", "fuf-Adlm"),
            ("en", "en"),
            ("english please", "english please"),
            ("", ""),
        ] {
            assert_eq!(normal(written), meant, "{written}");
        }
    }
}
