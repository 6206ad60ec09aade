//! How a legal status may follow another from one version of a work to the next.
//!
//! A summary may skip stages, for nobody publishes a version for each. What the table does not name needs a word of explanation:
//! a law that ended does not return to parliament by itself, and a reader who saw it end wants to know what happened.

use proto::schema::LawSummary;

/// Before parliament has it.
const BEFORE: &[&str] = &["announced", "drafting", "consultation"];
/// Parliament has it. A chamber may send it back to a committee, and another to consultation.
const BEFORE_PARLIAMENT: &[&str] = &["consultation", "introduced", "in-committee", "passed-one-chamber"];
/// Parliament agreed.
const PASSED: &[&str] = &["passed", "awaiting-assent"];
/// It is law.
const LAW: &[&str] = &["adopted-not-in-force", "in-force", "partially-in-force", "suspended", "provisionally-applied"];
/// Ways in which a proposal ends.
const PROPOSAL_ENDS: &[&str] = &["rejected", "vetoed", "withdrawn", "lapsed", "superseded"];
/// Ways in which a law ends.
const LAW_ENDS: &[&str] = &["repealed", "superseded", "annulled", "expired"];

/// From each of these statuses to each of those.
const MOVES: &[(&[&str], &[&[&str]])] = &[
    (BEFORE, &[BEFORE, BEFORE_PARLIAMENT, PASSED, LAW, PROPOSAL_ENDS, LAW_ENDS]),
    (BEFORE_PARLIAMENT, &[BEFORE_PARLIAMENT, PASSED, LAW, PROPOSAL_ENDS, LAW_ENDS]),
    (PASSED, &[PASSED, LAW, PROPOSAL_ENDS, LAW_ENDS]),
    (LAW, &[LAW, LAW_ENDS]),
    // Parliament may overrule a veto.
    (&["vetoed"], &[PASSED, LAW]),
];

/// Why a version's status does not follow from the one before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unexplained {
    /// The status before.
    pub from: String,
    /// The status now.
    pub to: String,
}

/// Whether a status follows another by itself. One that nobody stated, or that a newer Comity knows, follows anything.
pub fn follows(from: &str, to: &str) -> bool {
    if from == to || from.is_empty() || to.is_empty() || !is_known(from) || !is_known(to) {
        return true;
    }
    let allowed = MOVES.iter().filter(|(before, _)| before.contains(&from));
    allowed.flat_map(|(_, after)| *after).any(|group| group.contains(&to))
}

/// Whether the status of one version follows from that of the version before, by itself or because its history says why: by a
/// stage of that status with a note, which the version before did not have.
pub fn explained(before: &LawSummary, after: &LawSummary) -> Result<(), Unexplained> {
    let (from, to) = (&before.legal_status, &after.legal_status);
    let explains = |stage: &proto::schema::Stage| {
        stage.status == *to && !stage.note.trim().is_empty() && !before.stage_history.contains(stage)
    };
    if follows(from, to) || after.stage_history.iter().any(explains) {
        return Ok(());
    }
    Err(Unexplained { from: from.clone(), to: to.clone() })
}

fn is_known(status: &str) -> bool {
    [BEFORE, BEFORE_PARLIAMENT, PASSED, LAW, PROPOSAL_ENDS, LAW_ENDS].iter().any(|group| group.contains(&status))
}

#[cfg(test)]
mod tests {
    use proto::schema::{LawSummary, Stage};

    use super::{explained, follows, is_known};
    use crate::vocabulary::LEGAL_STATUSES;

    fn law(status: &str, note: &str) -> LawSummary {
        let stage = Stage { status: status.to_owned(), note: note.to_owned(), ..Stage::default() };
        LawSummary { legal_status: status.to_owned(), stage_history: vec![stage], ..LawSummary::default() }
    }

    #[test]
    fn every_status_has_its_place_in_the_table() {
        for (status, _) in LEGAL_STATUSES {
            assert!(is_known(status), "{status}");
        }
    }

    #[test]
    fn laws_go_forward_by_themselves_and_back_only_with_a_word() {
        for (from, to) in [
            ("announced", "in-committee"),
            ("in-committee", "in-force"),
            ("passed-one-chamber", "in-committee"),
            ("in-force", "suspended"),
            ("suspended", "in-force"),
            ("in-force", "repealed"),
            ("vetoed", "in-force"),
            ("drafting", "consultation"),
            ("consultation", "drafting"),
            ("", "repealed"),
            ("repealed", "repealed"),
            ("in-force", "of-a-newer-comity"),
        ] {
            assert!(follows(from, to), "{from} -> {to}");
        }
        for (from, to) in [
            ("repealed", "in-committee"),
            ("in-force", "introduced"),
            ("rejected", "introduced"),
            ("lapsed", "in-committee"),
            ("in-force", "rejected"),
            ("expired", "in-force"),
            ("awaiting-assent", "in-committee"),
            ("introduced", "announced"),
        ] {
            assert!(!follows(from, to), "{from} -> {to}");
        }
    }

    #[test]
    fn a_note_of_the_new_status_explains_and_one_that_was_there_before_does_not() {
        let (repealed, silent) = (law("repealed", "Act 7 of 2026"), law("in-committee", " "));
        assert!(explained(&repealed, &silent).is_err());
        let told = law("in-committee", "The repeal was annulled, and the bill is considered anew.");
        assert_eq!(explained(&repealed, &told), Ok(()));
        let mut before = repealed;
        before.stage_history.clone_from(&told.stage_history);
        assert!(explained(&before, &told).is_err());
    }
}
