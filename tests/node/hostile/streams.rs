//! Streams that are held, filled, or used to ask without end.

use super::{
    Attacker, GROWTH_MAX_MB, attacked, attacked_on, honest, limited, memory_mb, nobody_honest_is_blocked, stage,
    wait_for_bound,
};
use crate::federation::{wait_for_documents, wait_until};
use proto::digest::Digest;

#[test]
fn streams_that_say_nothing_are_closed_and_whoever_opens_more_is_blocked() {
    attacked("half-open", "2 syncs of one peer at once", true);
    attacked("slow-writers", "2 syncs of one peer at once", true);
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
fn a_frontier_of_a_million_rows_costs_a_message_and_a_block() {
    attacked("huge-frontiers", "what does not verify or was not asked for", true);
}

#[test]
fn whoever_asks_for_the_same_without_end_is_blocked() {
    attacked("endless-wants", "what does not verify or was not asked for", true);
}

/// The victim is behind, and calls the liar; then an honest peer comes.
fn behind(attack: &str, named: bool) {
    let federation = stage();
    let researcher = federation.start("researcher", &[]);
    let before = memory_mb(&researcher);
    let _attacker = Attacker::start(&federation, attack, &researcher, "copy");
    if named {
        wait_for_bound(&researcher, "what does not verify or was not asked for");
    } else {
        wait_until("the attacker is heard", || researcher.status()["entries"].as_u64() > Some(5));
    }
    let finland = honest(&federation, "FI", &researcher);
    federation.publish("FI", "meanwhile", "Nobody could keep it back.");
    wait_for_documents(&[&finland, &researcher], 9);
    let growth = memory_mb(&researcher).saturating_sub(before);
    assert!(growth < GROWTH_MAX_MB, "{attack} cost {growth} MB");
    nobody_honest_is_blocked(&researcher, &[&finland]);
    if !named {
        assert!(
            !limited(&researcher).iter().any(|(_, bound, _)| bound.contains("verify")),
            "to withhold is no offence"
        );
    }
    federation.audit_all(&["FI", "researcher"]);
}

#[test]
fn zstd_bombs_are_refused_and_held_against_their_sender() {
    behind("bombs", true);
}

#[test]
fn a_liar_about_sizes_and_roots_is_found_out() {
    behind("roots", true);
}

#[test]
fn withheld_bodies_arrive_from_the_next_peer() {
    behind("withholds", false);
}
