//! The name of a work as catalogues and feed readers keep it: `oai:comity.f<federation>:CODE/slug`. It names the federation and no
//! node, so that what was harvested or read from two nodes is known to be one.

use percent_encoding::percent_decode_str;
use proto::digest::Digest;

use crate::client::percent;
use crate::name::Name;

/// Digits of the federation's id in a name: as much of a digest as nobody will find twice.
const FEDERATION_DIGITS: usize = 32;

/// What names the repository: the same on every node of a federation. The letter is there because OAI wants one.
pub fn repository(federation: &Digest) -> String {
    let id = federation.to_string();
    format!("comity.f{}", id.get(..FEDERATION_DIGITS).unwrap_or_default())
}

/// The identifier of a work, `CODE/slug`.
pub fn of(federation: &Digest, work: &str) -> String {
    let (code, slug) = work.split_once('/').unwrap_or((work, ""));
    format!("oai:{}:{code}/{}", repository(federation), percent(slug))
}

/// The work of an identifier; `None` where it is not one of this federation.
pub fn work(federation: &Digest, identifier: &str) -> Option<String> {
    let name = identifier.strip_prefix(&format!("oai:{}:", repository(federation)))?;
    let work = percent_decode_str(name).decode_utf8().ok()?.into_owned();
    Name::parse(&work).filter(|name| name.work == work).map(|name| name.work)
}

#[cfg(test)]
mod tests {
    use super::{of, work};
    use proto::digest::Digest;

    #[test]
    fn an_identifier_leads_back_to_its_work_and_only_in_its_federation() {
        let (one, other) = (Digest::of(b"one"), Digest::of(b"other"));
        for name in ["KE-LC01/ai-bill-2026", "FI/täysistunto 100%"] {
            let identifier = of(&one, name);
            assert!(identifier.is_ascii() && !identifier.contains(' '), "{identifier}");
            assert_eq!((work(&one, &identifier).as_deref(), work(&other, &identifier)), (Some(name), None));
        }
        assert_eq!(work(&one, &of(&one, "FI/law@2")), None, "a version is no record");
    }
}
