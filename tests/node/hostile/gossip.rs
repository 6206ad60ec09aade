//! Floods of gossip.

use super::attacked;

#[test]
fn a_flood_of_true_gossip_is_dropped_beyond_a_rate_and_its_sender_blocked() {
    attacked("gossip-valid", "20 gossip messages a second", true);
}

#[test]
fn a_flood_of_false_gossip_ends_with_a_block() {
    attacked("gossip-invalid", "what does not verify or was not asked for", true);
}
