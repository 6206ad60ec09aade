//! Lists of members as a person reads and changes them: editions, drafts, what they change, and whose signatures are missing.

use std::collections::BTreeMap;
use std::sync::Arc;

use proto::body::Cut;
use proto::digest::Digest;
use proto::edition::{self, Draft, Edition, EditionError};
use proto::frontier::Frontier;
use proto::key::PublicKey;
use proto::member::{self, Member};
use proto::standing::Standing;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use utoipa::ToSchema;

/// What a draft changes about the list in force.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case", tag = "change")]
pub enum Change {
    /// A member is added, or its line replaced, by the line it made itself.
    Line {
        /// `CODE signer|member KEY DIGEST NAME`
        line: String,
    },
    /// A member is removed; its logs end with what stands of them here.
    Remove {
        /// Its code.
        code: String,
    },
    /// A member's signature counts, or does no more.
    Signer {
        /// Its code.
        code: String,
        /// Whether it counts.
        signer: bool,
    },
    /// The federation has another name.
    Name {
        /// The name.
        name: String,
    },
}

/// Why changes come to no list.
#[derive(Debug, Error)]
pub enum ListError {
    /// No edition could be found.
    #[error("two lists of members rival here; pin one first, with `comity edition pin`")]
    Rivals,
    /// Not a member's line.
    #[error("`{0}` is no member's line; ask that parliament for the file member.txt of its data folder")]
    Line(String),
    /// Nobody of that code.
    #[error("{0} is not in the list in force; `comity edition show` prints it")]
    NoMember(String),
    /// Nothing is different.
    #[error("the list in force says the same; nothing is proposed")]
    Same,
    /// Not a list that may follow.
    #[error(transparent)]
    Edition(#[from] EditionError),
}

/// Editions and drafts, for a list.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Editions {
    /// Digest of the edition in force.
    pub in_force: String,
    /// Digests of the editions that rival, while none is pinned.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub rivals: Vec<String>,
    /// What that means.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub words: Option<String>,
    /// Valid editions and open drafts, oldest first.
    pub editions: Vec<Listed>,
}

/// One edition or draft.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Listed {
    /// Its number.
    pub number: u64,
    /// SHA-256 of its text.
    pub digest: String,
    /// `valid`, `draft`, or `superseded` where another draft on the same list became valid.
    pub state: String,
    /// What it changes, in words.
    pub changes: Vec<String>,
    /// Signatures that it needs.
    pub needed: usize,
    /// Signatures that count so far.
    pub counted: usize,
    /// Codes of signers whose line is known.
    pub signed: Vec<String>,
    /// Codes of signers whose signature would count and is missing.
    pub missing: Vec<String>,
    /// The text that is signed.
    pub text: String,
}

/// All editions and drafts.
pub fn list(standing: &Standing) -> Editions {
    let editions = standing.editions();
    let valid = editions.valid();
    let valid = valid.iter().map(|edition| {
        let before = edition.before().and_then(|digest| editions.edition(digest));
        listed(edition, before, editions.draft(&edition.digest()), "valid")
    });
    let drafts = editions.drafts().into_iter().map(|draft| {
        let before = draft.edition().before().and_then(|digest| editions.edition(digest));
        let state = if editions.decided(draft.edition()).is_some() { "superseded" } else { "draft" };
        listed(draft.edition(), before, Some(draft), state)
    });
    let mut all: Vec<Listed> = valid.chain(drafts).collect();
    all.sort_by_key(|one| one.number);
    let lines = standing.lines();
    let tips = lines.iter().filter_map(|line| line.editions().last()).map(|edition| edition.digest().to_string());
    Editions {
        in_force: standing.in_force().map(|edition| edition.digest().to_string()).unwrap_or_default(),
        rivals: if lines.len() > 1 { tips.collect() } else { Vec::new() },
        words: rival_words(standing),
        editions: all,
    }
}

/// What two lists that follow one mean, `None` where there is one list, or one is pinned.
pub fn rival_words(standing: &Standing) -> Option<String> {
    let tips: Vec<String> =
        standing.lines().iter().filter_map(|line| Some(line.editions().last()?.digest().to_string())).collect();
    let words = || {
        format!(
            "two valid editions follow the one in force, so signers signed both: {}. Until you choose with `comity edition pin DIGEST`, no \
             later edition counts here and every log stands as far as either allows",
            tips.join(" and ")
        )
    };
    (tips.len() > 1).then(words)
}

fn listed(edition: &Edition, before: Option<&Arc<Edition>>, draft: Option<&Draft>, state: &str) -> Listed {
    let codes = |members: Vec<&Member>| members.into_iter().map(|member| member.code.clone()).collect();
    let signed: Vec<String> = match draft {
        Some(draft) => codes(draft.before().signers().filter(|member| draft.is_signed_by(&member.code)).collect()),
        None => edition.signed_names(),
    };
    Listed {
        number: edition.number(),
        digest: edition.digest().to_string(),
        state: state.to_owned(),
        changes: before.map_or_else(|| vec!["the charter".to_owned()], |before| differences(before, edition)),
        needed: before.and_then(|before| edition.quorum(before).ok()).unwrap_or(edition.members().len()),
        counted: draft.map_or(signed.len(), Draft::have),
        missing: draft.filter(|_| state == "draft").map_or_else(Vec::new, |draft| codes(draft.missing())),
        signed,
        text: edition.text().to_owned(),
    }
}

/// What `after` changes about `before`, in words.
pub fn differences(before: &Edition, after: &Edition) -> Vec<String> {
    let mut words = Vec::new();
    if before.name() != after.name() {
        words.push(format!("the federation is called “{}” instead of “{}”", after.name(), before.name()));
    }
    let key = |member: &Member| format!("{} (fingerprint {})", member.identity_key, member.identity_key.fingerprint());
    for (code, change) in after.changes(before) {
        let (old, new) = (before.member(&code), after.member(&code));
        match (change, old, new) {
            (edition::Change::Added, _, Some(new)) => {
                let role = if new.signer { "a signer" } else { "no signer" };
                words.push(format!("adds {code}, {}, {role}, with identity key {}", new.name, key(new)));
            }
            (edition::Change::Removed, Some(old), _) => words.push(format!("removes {code}, {}", old.name)),
            (edition::Change::Succeeded, _, Some(new)) => {
                words.push(format!("lists the successor key of {code}: {}", key(new)));
            }
            (edition::Change::Rekeyed, Some(old), Some(new)) => words.push(format!(
                "gives {code} another identity key, which it had not committed to: {} instead of {}",
                key(new),
                key(old)
            )),
            _ => {}
        }
        if let (Some(old), Some(new)) = (old, new) {
            if old.signer != new.signer {
                words.push(format!("{code} {}", if new.signer { "becomes a signer" } else { "is no signer any more" }));
            }
            if old.name != new.name {
                words.push(format!("{code} is called “{}” instead of “{}”", new.name, old.name));
            }
        }
    }
    for cut in after.cuts().values() {
        words.push(format!("ends the log {} after {} entries", cut.log, cut.size));
    }
    words
}

/// The text of a draft that changes the list in force.
pub fn draft(standing: &Standing, frontier: &Frontier, changes: &[Change]) -> Result<String, ListError> {
    let before = standing.in_force().filter(|_| standing.lines().len() == 1).ok_or(ListError::Rivals)?;
    let mut name = before.name().to_owned();
    let mut members: BTreeMap<String, Member> =
        before.members().iter().map(|member| (member.code.clone(), member.clone())).collect();
    let mut cuts: BTreeMap<PublicKey, Cut> = BTreeMap::new();
    for change in changes {
        match change {
            Change::Line { line } => {
                let new = read_line(line)?;
                let old = members.get(&new.code);
                let follows = old.is_some_and(|old| {
                    Digest::of(new.identity_key.as_bytes()) == old.successor_digest
                        || new.identity_key == old.identity_key
                });
                if old.is_some() && !follows {
                    // A re-key ends what the old keys say; desks go on until they are revoked.
                    cuts.extend(heads(standing, frontier, &new.code, false));
                }
                members.insert(new.code.clone(), new);
            }
            Change::Remove { code } => {
                members.remove(code).ok_or_else(|| ListError::NoMember(code.clone()))?;
                cuts.extend(heads(standing, frontier, code, true));
            }
            Change::Signer { code, signer } => {
                members.get_mut(code).ok_or_else(|| ListError::NoMember(code.clone()))?.signer = *signer;
            }
            Change::Name { name: new } => new.clone_into(&mut name),
        }
    }
    let members: Vec<Member> = members.into_values().collect();
    if members == before.members() && name == before.name() {
        return Err(ListError::Same);
    }
    let text = Edition::write(before, &name, members, cuts.into_values().collect());
    standing.editions().check(&Edition::draft(&text)?)?;
    Ok(text)
}

/// A member's line out of the file that it made.
pub fn read_line(line: &str) -> Result<Member, ListError> {
    let line = line.trim_end_matches('\n');
    // A single member that is no signer makes no list: it is read beside one that is asked for nothing else.
    let as_signer = line.replacen(" member ", " signer ", 1);
    let mut members =
        member::read_list(std::iter::once((1, as_signer.as_str()))).map_err(|_| ListError::Line(line.to_owned()))?;
    let mut read = members.pop().ok_or_else(|| ListError::Line(line.to_owned()))?;
    read.signer = as_signer == line;
    Ok(read)
}

/// A draft that is not valid by its digest, or by enough of its beginning that only one is meant; one that is by all of it.
pub fn find_draft<'a>(standing: &'a Standing, digest: &str) -> Option<&'a Draft> {
    let whole = digest.parse().ok().and_then(|digest| standing.editions().draft(&digest));
    let drafts = standing.editions().drafts();
    let mut found = drafts.into_iter().filter(|draft| draft.edition().digest().to_string().starts_with(digest));
    let begun = found.next().filter(|_| digest.len() >= 8 && found.next().is_none());
    begun.or(whole)
}

/// Cuts of a member's logs at what stands of them: its governance logs, and its desks' too.
fn heads(standing: &Standing, frontier: &Frontier, code: &str, desks: bool) -> Vec<(PublicKey, Cut)> {
    let Some(chain) = standing.lines().iter().find_map(|line| line.chain(code)) else { return Vec::new() };
    let governance = chain.links().iter().filter(|link| link.cut.is_none()).map(|link| link.key);
    let desks = chain.desks().iter().filter(|(_, desk)| desks && desk.cut.is_none()).map(|(key, _)| *key);
    let cut = |log: PublicKey| {
        let row = frontier.rows.get(&log)?;
        Some((log, Cut::new(log, row.size, row.root)))
    };
    governance.chain(desks).filter_map(cut).collect()
}
