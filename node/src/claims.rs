//! What peers say of own logs: whoever says that it holds more than is here is asked for it, and nothing is written meanwhile.
//! Pure: time and what is held arrive as arguments.
//!
//! A row is only a claim: the entries that follow, which only our own key can have signed, are the evidence. Who shows none of
//! what it said made it up, and claims alone hold up writing for a while, not for ever.

use std::collections::BTreeMap;

use proto::key::PublicKey;
use proto::session::Peer;

/// Milliseconds from the first claim since the start for which claims alone can hold up writing: whoever holds more of an own log
/// shows it meanwhile, also on a weak line, and a liar, or a crowd of them, must not silence a parliament.
const CLAIMS_HOLD_MS: u64 = 300_000;

/// The claims whose syncs are under way.
#[derive(Debug, Default)]
pub struct Claims {
    claims: BTreeMap<(Peer, PublicKey), Claim>,
    since_ms: Option<u64>,
}

/// A peer says that it holds more of an own log than is here.
#[derive(Clone, Copy, Debug)]
struct Claim {
    size: u64,
    held: u64,
}

impl Claims {
    /// A peer says that it holds `size` entries of an own log of which `held` are here.
    pub fn hear(&mut self, uptime_ms: u64, peer: &Peer, log: PublicKey, size: u64, held: u64) {
        if size > held {
            self.claims.insert((peer.clone(), log), Claim { size, held });
            self.since_ms.get_or_insert(uptime_ms);
        }
    }

    /// What holds up writing, in words.
    pub fn holding_up(&self, uptime_ms: u64, is_syncing: impl Fn(&Peer) -> bool) -> Option<String> {
        self.since_ms.filter(|since| uptime_ms < since + CLAIMS_HOLD_MS)?;
        let ((_, log), Claim { size, held }) = self.claims.iter().find(|((peer, _), _)| is_syncing(peer))?;
        Some(format!("a peer says it holds {size} entries of {log}, this folder {held}"))
    }

    /// Drops the claims whose syncs are over, and gives the faults of those who showed nothing of what they said.
    pub fn settle(
        &mut self,
        is_syncing: impl Fn(&Peer) -> bool,
        size_of: impl Fn(&PublicKey) -> u64,
    ) -> Vec<(Peer, String)> {
        let mut faults: Vec<(Peer, String)> = Vec::new();
        self.claims.retain(|(peer, log), Claim { size, held }| {
            let goes_on = is_syncing(peer);
            // One sync, one fault, however many logs it was about.
            let is_named = faults.iter().any(|(named, _)| named == peer);
            if !goes_on && !is_named && size_of(log) <= *held {
                let fault = format!("said it holds {size} entries of our log {log} and showed none beyond {held}");
                faults.push((peer.clone(), fault));
            }
            goes_on
        });
        faults
    }
}

#[cfg(test)]
mod tests {
    use proto::key::SecretKey;

    use super::{CLAIMS_HOLD_MS, Claims, Peer};

    #[test]
    fn a_claim_holds_up_writing_until_its_sync_is_over_and_a_lie_is_named() {
        let (liar, log) = (Peer::from("liar"), SecretKey::from_seed(&[1; 32]).public());
        let mut claims = Claims::default();
        claims.hear(1_000, &liar, log, 5, 5);
        assert_eq!(claims.holding_up(1_000, |_| true), None, "as many are no more");
        claims.hear(1_000, &liar, log, 6, 5);
        assert!(claims.holding_up(2_000, |_| true).is_some());
        assert!(claims.settle(|_| true, |_| 5).is_empty());
        assert_eq!(claims.holding_up(1_000 + CLAIMS_HOLD_MS, |_| true), None, "not for ever");
        assert_eq!(claims.settle(|_| false, |_| 5).len(), 1);
        assert_eq!(claims.holding_up(2_000, |_| true), None);
        claims.hear(3_000, &liar, log, 6, 5);
        assert!(claims.settle(|_| false, |_| 6).is_empty(), "it came");
    }
}
