//! Too many connections, too often, and those that never finish.

use super::attacked;

#[test]
fn five_hundred_connections_of_one_address_are_refused_before_the_handshake() {
    attacked("connections", "handshakes of one address under way", true);
}

#[test]
fn whoever_comes_again_under_a_new_name_for_ever_is_blocked_by_address() {
    attacked("reconnects", "new connections of one address in a minute", true);
}
