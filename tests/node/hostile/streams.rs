//! Streams that are held, filled, or used to ask without end.

use super::{
    Attacker, GROWTH_MAX_MB, MEANWHILE, attacked, attacked_on, forget_peak, honest, limited, nobody_honest_is_blocked,
    peak_mb, publish_meanwhile, stage, wait_for_bound,
};
use crate::federation::{wait_for_documents, wait_until};
use proto::digest::Digest;

#[test]
fn streams_that_say_nothing_are_closed_after_half_a_minute() {
    attacked("half-open", "30 seconds of silence in a sync", false);
}

#[test]
fn whoever_opens_more_than_two_streams_at_once_is_blocked() {
    attacked("many-streams", "2 syncs of one peer at once", true);
}

/// The paces below which a message is given up are told beside them, in `node/src/network/stream.rs`: they take four minutes.
#[test]
fn where_slow_writers_hold_every_place_the_slowest_gives_way() {
    attacked("slow-writers", "the slowest of 32 syncs gave way", false);
}

#[test]
fn where_slow_readers_hold_every_place_the_slowest_gives_way() {
    let federation = stage();
    // More than lines and buffers take before they wait for a reader.
    let number = |at: u64| Digest::of(&at.to_be_bytes()).to_string();
    for part in 0..8 {
        let text: Vec<String> = (part * 2000..(part + 1) * 2000).map(number).collect();
        federation.publish("FI", &format!("register-{part}"), &text.join("\n"));
    }
    attacked_on(&federation, "slow-readers", "the slowest of 32 syncs gave way", false);
}

#[test]
fn whoever_has_everything_again_and_again_is_blocked() {
    let federation = stage();
    federation.publish_many("FI", 0..1000, "A clause.");
    attacked_on(&federation, "everything-again", "everything twice in an hour", true);
}

#[test]
fn a_frontier_of_a_million_rows_costs_a_message_and_a_block() {
    attacked("huge-frontiers", "what does not verify or was not asked for", true);
}

#[test]
fn frontiers_of_sixteen_thousand_invented_keys_cost_their_reading() {
    attacked("invented-frontiers", "2 syncs of one peer at once", false);
}

#[test]
fn whoever_asks_for_the_same_without_end_is_blocked() {
    attacked("endless-wants", "what does not verify or was not asked for", true);
}

#[test]
fn who_claims_other_roots_than_anyone_signed_is_blocked() {
    let said = attacked("roots", "what does not verify or was not asked for", true);
    assert!(said.contains("claimed another root of log"), "{said}");
}

/// The victim is behind, and calls the liar; then an honest peer comes. Gives what the victim said.
fn behind(attack: &str, is_fault: bool) -> String {
    let federation = stage();
    let researcher = federation.start("researcher", &[]);
    let before = forget_peak(&researcher);
    let _attacker = Attacker::start(&federation, attack, &researcher, "copy");
    if is_fault {
        wait_for_bound(&researcher, "what does not verify or was not asked for");
    } else {
        wait_until("the attacker is heard", || researcher.status()["entries"].as_u64() > Some(5));
    }
    let finland = honest(&federation, "FI", &researcher);
    publish_meanwhile(&federation);
    wait_for_documents(&[&finland, &researcher], 8 + MEANWHILE);
    let growth = peak_mb(&researcher).saturating_sub(before);
    assert!(growth < GROWTH_MAX_MB, "{attack} cost {growth} MB");
    nobody_honest_is_blocked(&researcher, &[&finland]);
    if !is_fault {
        assert!(!limited(&researcher).iter().any(|(_, bound, _)| bound.contains("verify")), "to withhold is no fault");
    }
    federation.audit_all(&["FI", "researcher"]);
    researcher.words()
}

#[test]
fn zstd_bombs_are_refused_and_held_against_their_sender() {
    behind("bombs", true);
}

#[test]
fn a_liar_about_sizes_is_found_out() {
    let said = behind("sizes", true);
    // Once it may have set aside a branch; then it is asked again, and has nothing to show.
    assert!(said.contains("sent a run that was not asked for"), "{said}");
}

#[test]
fn withheld_bodies_arrive_from_the_next_peer() {
    behind("withholds", false);
}
