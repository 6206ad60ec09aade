//! Tales of identity keys: they rotate, editions list their successors, and re-keys and removals close their chain.

use proto::body::Cut;

use crate::tales::{Tale, elsewhere};
use crate::tales_of_members::{rekeys, removes, sorted};
use crate::world::{Parliament, key};

pub fn all() -> Vec<Tale> {
    [rotations(), closings()].concat()
}

/// Finland rotates to its successor where its log ends at `size`.
fn rotated(name: &str, size: usize) -> (Tale, Parliament) {
    let mut tale = Tale::founded(name, 4);
    let finland = tale.members[0].clone();
    tale.delegate(&finland.identity, &key(230));
    tale.open_desk("FI", &finland.identity, &key(230), 1);
    let cut = tale.cut(&finland.identity, size);
    tale.begin("FI", &finland.successor, &key(231), Some(cut));
    (tale, finland)
}

fn rotations() -> Vec<Tale> {
    let mut tales: Vec<Tale> =
        (0..4).map(|size| rotated(&format!("a rotation that cuts at {size} of three"), size).0).collect();
    let (mut twice, finland) = rotated("two rotations", 3);
    twice.delegate(&finland.successor, &key(232));
    let cut = twice.end(&finland.successor);
    twice.begin("FI", &key(231), &key(233), Some(cut));
    twice.open_desk("FI", &finland.successor, &key(232), 1);
    let cut = twice.cut(&finland.desk, 1);
    twice.revoke(&key(231), &cut);
    let (mut void, _) = rotated("a rotation from a rotated key that ends at nothing", 3);
    let cut = void.cut(&finland.successor, 0);
    void.begin("FI", &key(231), &key(233), Some(cut));
    let (mut off, _) = rotated("a rotated key whose log is off the cut of the next", 3);
    off.delegate(&finland.successor, &key(232));
    let cut = elsewhere(&off.end(&finland.successor));
    off.begin("FI", &key(231), &key(233), Some(cut));
    let (mut ahead, _) = rotated("a rotated key whose log is shorter than the cut of the next", 3);
    ahead.delegate(&finland.successor, &key(232));
    let cut = ahead.end(&finland.successor);
    ahead.begin("FI", &key(231), &key(233), Some(cut));
    ahead.hold(&finland.successor, 1);
    let mut strange = Tale::founded("a key that was not committed to takes nothing over", 2);
    let cut = strange.end(&finland.identity);
    strange.begin("FI", &key(234), &key(235), Some(cut));
    let mut nothing = Tale::founded("the committed key that names no predecessor takes nothing over", 2);
    nothing.begin("FI", &finland.successor, &key(235), None);
    let mut other = Tale::founded("the committed key that names another predecessor takes nothing over", 2);
    let cut = other.end(&other.members[1].identity);
    other.begin("FI", &finland.successor, &key(235), Some(cut));
    let mut code = Tale::founded("the committed key that names another member takes nothing over", 2);
    let cut = code.end(&finland.identity);
    code.begin("KE-LC01", &finland.successor, &key(235), Some(cut));
    let mut wrong = Tale::founded("a rotation on a branch that nobody has", 2);
    let cut = elsewhere(&wrong.end(&finland.identity));
    wrong.begin("FI", &finland.successor, &key(235), Some(cut));
    wrong.delegate(&finland.successor, &key(236));
    let mut succeeded = Tale::founded("an edition lists the successor, and cuts", 4);
    let cut = succeeded.cut(&finland.identity, 1);
    let first = succeeded.first();
    succeeded.agree(&first, &[0, 1, 2], vec![cut], rekeys("FI", finland.successor.clone(), key(231)));
    let cut = succeeded.end(&finland.identity);
    succeeded.begin("FI", &finland.successor, &key(237), Some(cut));
    succeeded.delegate(&finland.successor, &key(238));
    let mut uncut = Tale::founded("an edition lists the successor, whose entry 0 cuts", 4);
    uncut.agree(&first, &[0, 1, 2], Vec::new(), rekeys("FI", finland.successor.clone(), key(231)));
    let cut = uncut.cut(&finland.identity, 1);
    uncut.begin("FI", &finland.successor, &key(237), Some(cut));
    let mut silent = Tale::founded("an edition lists the successor, which has no log yet", 4);
    silent.agree(&first, &[0, 1, 2], Vec::new(), rekeys("FI", finland.successor.clone(), key(231)));
    let mut later = Tale::founded("a later edition cuts a key that was succeeded", 4);
    let list = later.agree(&first, &[0, 1, 2], Vec::new(), rekeys("FI", finland.successor.clone(), key(231)));
    let cut = later.cut(&finland.identity, 1);
    let signers = [("KE-LC01", 1), ("UY-UC01", 2), ("JP-LC01", 3)];
    let signers = signers.map(|(code, at): (&str, usize)| (code, later.members[at].identity.clone()));
    let next = later.list(&list, vec![cut], rekeys("FI", key(231), key(239)));
    later.sign(&next, &list, &signers);
    let mut disagrees = Tale::founded("a listed successor whose entry 0 names nobody before it", 4);
    disagrees.agree(&first, &[0, 1, 2], Vec::new(), rekeys("FI", finland.successor.clone(), key(231)));
    disagrees.begin("FI", &finland.successor, &key(231), None);
    disagrees.delegate(&finland.successor, &key(238));
    let mut back = Tale::founded("a rotated key that commits to the one before it", 2);
    let cut = back.end(&finland.identity);
    back.begin("FI", &finland.successor, &finland.identity, Some(cut));
    tales.extend([twice, void, off, ahead, strange, nothing, other, code, wrong]);
    tales.extend([succeeded, uncut, silent, later, disagrees, back]);
    tales
}

/// Re-keys and removals after a rotation, or before it.
fn closings() -> Vec<Tale> {
    let mut tales = Vec::new();
    for removal in [true, false] {
        let what = if removal { "removal" } else { "re-key" };
        let closes = |tale: &mut Tale, cuts: &[Cut]| {
            let first = tale.first();
            if removal {
                tale.agree(&first, &[1, 2, 3], sorted(cuts), removes("FI"));
            } else {
                tale.agree(&first, &[1, 2, 3], sorted(cuts), rekeys("FI", key(80), key(81)));
                tale.begin("FI", &key(80), &key(81), None);
                tale.delegate(&key(80), &key(82));
            }
        };
        let (mut both, finland) = rotated(&format!("a {what} that names both keys of a rotation"), 3);
        both.delegate(&finland.successor, &key(232));
        let cuts = [both.cut(&finland.identity, 2), both.end(&finland.successor)];
        closes(&mut both, &cuts);
        let (mut second, _) = rotated(&format!("a {what} that names the second key of a rotation alone"), 2);
        let cuts = [second.end(&finland.successor)];
        closes(&mut second, &cuts);
        let (mut first, _) = rotated(&format!("a {what} that names the first key alone: the rotation never was"), 2);
        first.delegate(&finland.successor, &key(232));
        let cuts = [first.end(&finland.identity)];
        closes(&mut first, &cuts);
        let (mut none, _) = rotated(&format!("a {what} that names no key of a rotation"), 2);
        closes(&mut none, &[]);
        let (mut off, _) = rotated(&format!("a {what} that names a second key on a branch that nobody has"), 2);
        off.delegate(&finland.successor, &key(232));
        let cuts = [off.end(&finland.identity), elsewhere(&off.end(&finland.successor))];
        closes(&mut off, &cuts);
        let (mut unheld, _) = rotated(&format!("a {what} that names a second key of which nothing is held"), 2);
        let cuts = [unheld.end(&finland.identity), unheld.end(&finland.successor)];
        unheld.logs.remove(&finland.successor.public());
        closes(&mut unheld, &cuts);
        let (mut long, _) = rotated(&format!("a {what} that names two keys, and a third follows"), 3);
        let cut = long.end(&finland.successor);
        long.begin("FI", &key(231), &key(233), Some(cut));
        let cuts = [long.end(&finland.identity), long.end(&finland.successor)];
        closes(&mut long, &cuts);
        let (mut zero, _) = rotated(&format!("a {what} that names a second key at nothing"), 2);
        let cuts = [zero.end(&finland.identity), zero.cut(&finland.successor, 0)];
        closes(&mut zero, &cuts);
        tales.extend([both, second, first, none, off, unheld, long, zero]);
    }
    let (mut again, finland) = rotated("a re-key that lists a key which had taken over by rotation", 3);
    let (first, end) = (again.first(), again.end(&finland.successor));
    let cut = again.cut(&finland.successor, 1);
    again.begin("FI", &key(231), &key(233), Some(end));
    let cuts = sorted(&[again.end(&finland.identity), cut, again.end(&key(231))]);
    again.agree(&first, &[1, 2, 3], cuts, rekeys("FI", key(231), key(234)));
    let cut = again.end(&key(231));
    again.begin("FI", &key(234), &key(235), Some(cut));
    again.delegate(&key(234), &key(236));
    let (mut back, _) = rotated("a key that commits to one which had taken over before a re-key", 3);
    let cuts = sorted(&[back.end(&finland.identity), back.end(&finland.successor)]);
    back.agree(&first, &[1, 2, 3], cuts, rekeys("FI", key(80), key(81)));
    back.begin("FI", &key(80), &key(81), None);
    let cut = back.end(&key(80));
    back.begin("FI", &key(81), &finland.successor, Some(cut));
    tales.extend([again, back]);
    tales
}
