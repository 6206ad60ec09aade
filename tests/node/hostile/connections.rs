//! Too many connections, too often, and those that never finish.

use super::attacked;

#[test]
fn five_hundred_connections_of_one_address_are_refused_before_the_handshake() {
    attacked("connections", "handshakes of one address under way", true);
}

#[test]
fn handshakes_that_stop_half_way_are_counted_and_their_address_is_blocked() {
    attacked("handshakes", "handshakes that came to nothing", true);
}

#[test]
fn whoever_comes_again_as_a_new_peer_for_ever_is_blocked_by_address() {
    attacked("reconnects", "new connections of one address in a minute", true);
}
