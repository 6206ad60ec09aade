//! Tales of members: admitted, removed, re-keyed; drafts, and editions that rival.

use proto::body::Cut;
use proto::digest::Digest;
use proto::edition::Edition;
use proto::key::SecretKey;
use proto::member::Member;

use crate::tales::{Tale, delegates_as, drafts, elsewhere, listed, signs};
use crate::world::{delegates, key};

pub fn all() -> Vec<Tale> {
    [editions(), drafted(), rivals()].concat()
}

fn renames(name: &str) -> impl FnOnce(&mut Vec<Member>) {
    let name = name.to_owned();
    move |members| members[0].name = name
}

pub fn removes(code: &'static str) -> impl FnOnce(&mut Vec<Member>) {
    move |members| members.retain(|member| member.code != code)
}

pub fn rekeys(code: &'static str, key: SecretKey, next: SecretKey) -> impl FnOnce(&mut Vec<Member>) {
    move |members| {
        let line = members.iter_mut().find(|member| member.code == code).unwrap();
        line.identity_key = key.public();
        line.successor_digest = Digest::of(next.public().as_bytes());
    }
}

pub fn sorted(cuts: &[Cut]) -> Vec<Cut> {
    let mut cuts = cuts.to_vec();
    cuts.sort_by_key(|cut| cut.log);
    cuts
}

fn editions() -> Vec<Tale> {
    let mut added = Tale::founded("three admit a fourth", 3);
    let japan = crate::world::parliaments(4).remove(3);
    let line = listed("JP-LC01", true, &japan.identity, &japan.successor);
    added.agree(&added.first(), &[0, 1, 2], Vec::new(), |members| members.insert(1, line.clone()));
    added.write(&japan.identity, japan.governance_open());
    added.delegate(&japan.identity, &japan.desk);
    added.open_desk("JP-LC01", &japan.identity, &japan.desk, 1);
    let mut observer = Tale::founded("a signer becomes a member without a signature", 4);
    observer.agree(&observer.first(), &[0, 1, 2], Vec::new(), |members| members[1].signer = false);
    let mut signer = Tale::founded("an observer becomes a signer", 5);
    signer.agree(&signer.first(), &[0, 1, 2, 3], Vec::new(), |members| members[1].signer = true);
    let mut removed = Tale::founded("a member removed with two cuts", 4);
    let kenya = removed.members[1].clone();
    let cuts = sorted(&[removed.end(&kenya.identity), removed.cut(&kenya.desk, 2)]);
    removed.agree(&removed.first(), &[0, 2, 3], cuts, removes("KE-LC01"));
    let mut unnamed = Tale::founded("a member removed without a cut", 4);
    unnamed.agree(&unnamed.first(), &[0, 2, 3], Vec::new(), removes("KE-LC01"));
    let mut half = Tale::founded("a member removed with its governance named and its desk not", 4);
    let cut = half.end(&kenya.identity);
    half.agree(&half.first(), &[0, 2, 3], vec![cut], removes("KE-LC01"));
    let mut off = Tale::founded("a member removed on a branch that nobody has", 4);
    let cuts = sorted(&[elsewhere(&off.end(&kenya.identity)), off.end(&kenya.desk)]);
    off.agree(&off.first(), &[0, 2, 3], cuts, removes("KE-LC01"));
    let mut back = Tale::founded("a removed member comes back with new keys", 4);
    let cuts = sorted(&[back.end(&kenya.identity), back.end(&kenya.desk)]);
    let gone = back.agree(&back.first(), &[0, 2, 3], cuts, removes("KE-LC01"));
    let line = listed("KE-LC01", true, &key(240), &key(241));
    back.agree(&gone, &[0, 2, 3], Vec::new(), |members| members.insert(2, line));
    back.begin("KE-LC01", &key(240), &key(241), None);
    back.delegate(&key(240), &kenya.desk);
    back.delegate(&key(240), &key(242));
    back.open_desk("KE-LC01", &key(240), &key(242), 1);
    let mut rekeyed = Tale::founded("a member that lost both keys is re-keyed", 4);
    let cut = rekeyed.end(&kenya.identity);
    rekeyed.agree(&rekeyed.first(), &[0, 2, 3], vec![cut], rekeys("KE-LC01", key(240), key(241)));
    rekeyed.begin("KE-LC01", &key(240), &key(241), None);
    rekeyed.delegate(&key(240), &key(242));
    let mut dropped = Tale::founded("a re-key that names no log ends the old one at nothing", 4);
    dropped.agree(&dropped.first(), &[0, 2, 3], Vec::new(), rekeys("KE-LC01", key(240), key(241)));
    let mut successor = Tale::founded("an edition signed with a key that was committed to", 3);
    let (first, members) = (successor.first(), successor.members.clone());
    let by = [("FI", members[0].identity.clone()), ("KE-LC01", members[1].successor.clone())];
    let by = [&by[..], &[("UY-UC01", members[2].identity.clone())]].concat();
    let list = successor.list(&first, Vec::new(), renames("Eduskunta"));
    successor.sign(&list, &first, &by);
    vec![added, observer, signer, removed, unnamed, half, off, back, rekeyed, dropped, successor]
}

fn drafted() -> Vec<Tale> {
    let tale = |name: &str, signers: &[usize], change: &dyn Fn(&mut Vec<Member>)| {
        let mut tale = Tale::founded(name, 4);
        let edition = tale.list(&tale.first(), Vec::new(), change);
        let members = tale.members.clone();
        for (turn, at) in signers.iter().enumerate() {
            tale.write(&members[*at].identity, signs(&edition, members[*at].code, &members[*at].identity, false));
            if turn == 1 {
                tale.write(&members[*at].identity, drafts(&edition));
            }
        }
        (tale, edition)
    };
    let rename = |members: &mut Vec<Member>| members[0].name = "Eduskunta".to_owned();
    let two = |members: &mut Vec<Member>| drop(members.drain(..2));
    let (enough, _) = tale("a draft that three of four signed", &[0, 1, 2], &rename);
    let (few, _) = tale("a draft that two of four signed", &[0, 1], &rename);
    let (twice, _) = tale("a signer counts once", &[0, 1, 1, 0], &rename);
    let (many, _) = tale("an edition takes no two signers' places", &[0, 1, 2, 3], &two);
    let (own, _) = tale("whom it unseats does not count", &[0, 1, 2], &|members| members[2].signer = false);
    let (kept, _) = tale("whom it unseats need not sign", &[0, 2, 3], &|members| members[2].signer = false);
    let (digest, _) = tale("a new digest to a key in use is none", &[0, 1, 2, 3], &|members| {
        members[2].successor_digest = Digest::of(b"another");
    });
    let (same, _) = tale("a new key to a digest in use is none", &[0, 1, 2, 3], &|members| {
        members[2].identity_key = key(243).public();
    });
    let mut repeated = Tale::founded("a key that ended is not listed again", 4);
    let gone = repeated.agree(&repeated.first(), &[0, 2, 3], Vec::new(), removes("KE-LC01"));
    let line = repeated.first().member("KE-LC01").unwrap().clone();
    let back = repeated.list(&gone, Vec::new(), |members| members.insert(2, line));
    repeated.members.clone().iter().for_each(|one| {
        repeated.write(&one.identity, signs(&back, one.code, &one.identity, false));
    });
    let finlands = repeated.members[0].identity.clone();
    repeated.write(&finlands, drafts(&back));
    let (mut carried, edition) = tale("whoever carries a signature", &[0, 1], &rename);
    let members = carried.members.clone();
    let japan = &members[3];
    carried.write(&members[0].identity, signs(&edition, "JP-LC01", &japan.successor, true));
    let (mut foreign, edition) = tale("a signature of somebody else under a signer's name", &[0, 1], &rename);
    foreign.write(&members[0].identity, signs(&edition, "JP-LC01", &members[2].identity, false));
    foreign.write(&members[0].identity, signs(&edition, "JP-LC01", &members[2].successor, true));
    let (mut late, edition) = tale("signatures beyond a cut count", &[0, 1], &rename);
    let cut = late.cut(&members[0].identity, 2);
    late.begin("FI", &members[0].successor, &key(230), Some(cut));
    late.write(&members[0].identity, signs(&edition, "UY-UC01", &members[2].identity, false));
    let (mut chain, edition) = tale("a draft on a draft, heard before it is valid", &[0, 1, 2], &rename);
    let next = chain.list(&edition, Vec::new(), renames("Riksdag"));
    for one in &members[..3] {
        chain.write(&one.identity, signs(&next, one.code, &one.identity, false));
    }
    chain.write(&members[3].identity, drafts(&next));
    let (mut skipped, _) = tale("a draft of a number too high", &[], &rename);
    let text = skipped.list(&skipped.first(), Vec::new(), rename).text().replace("edition 1", "edition 2");
    let high = Edition::draft(&text).unwrap();
    members.iter().for_each(|one| skipped.write(&one.identity, signs(&high, one.code, &one.identity, false)));
    skipped.write(&members[0].identity, drafts(&high));
    let (mut superseded, one) = tale("a draft that another outran", &[0], &rename);
    let other = superseded.list(&superseded.first(), Vec::new(), renames("Riksdag"));
    superseded.write(&members[0].identity, drafts(&one));
    superseded.write(&members[0].identity, drafts(&other));
    members[1..].iter().for_each(|one| superseded.write(&one.identity, signs(&other, one.code, &one.identity, false)));
    vec![
        enough, few, twice, many, own, kept, digest, same, repeated, carried, foreign, late, chain, skipped, superseded,
    ]
}

fn rivals() -> Vec<Tale> {
    let mut tales = Vec::new();
    // Finland and Japan sign both: more than a third of four.
    let rival = |name: &str| {
        let mut tale = Tale::founded(name, 4);
        let kenya = tale.members[1].clone();
        let first = tale.first();
        let cuts = sorted(&[tale.end(&kenya.identity), tale.cut(&kenya.desk, 2)]);
        let without = tale.agree(&first, &[0, 2, 3], cuts, removes("KE-LC01"));
        let renamed = tale.agree(&first, &[0, 1, 3], Vec::new(), renames("Eduskunta"));
        (tale, without, renamed)
    };
    let (unpinned, without, renamed) = rival("rivals, and none is pinned");
    for (edition, name) in [(&without, "the removal"), (&renamed, "the other"), (&unpinned.first(), "the charter")] {
        let (mut tale, ..) = rival(&format!("rivals, and {name} is pinned"));
        tale.pin = Some(edition.digest());
        tales.push(tale);
    }
    let (mut unknown, ..) = rival("rivals, and an edition that nobody has is pinned");
    unknown.pin = Some(Digest::of(b"nobody's"));
    let (mut after, _, before) = rival("an edition after a rival counts for nobody");
    after.agree(&before, &[0, 1, 3], Vec::new(), renames("Riksdag"));
    let (mut pinned, _, before) = rival("an edition after the pinned rival counts");
    pinned.agree(&before, &[0, 1, 3], Vec::new(), renames("Riksdag"));
    pinned.pin = Some(before.digest());
    let (mut descendant, _, before) = rival("a pinned edition after a rival chooses that");
    let last = descendant.agree(&before, &[0, 1, 3], Vec::new(), renames("Riksdag"));
    descendant.pin = Some(last.digest());

    let kenya = unpinned.members[1].clone();
    let two_cuts = |name: &str, cuts: [Cut; 2]| {
        let mut tale = Tale::founded(name, 4);
        let first = tale.first();
        tale.agree(&first, &[0, 2, 3], vec![cuts[0].clone()], removes("KE-LC01"));
        tale.agree(&first, &[0, 2, 3], vec![cuts[1].clone()], |members| {
            members.remove(2);
            members[0].name = "Eduskunta".to_owned();
        });
        tale
    };
    let of = |tale: &Tale, key: &SecretKey, size| tale.cut(key, size);
    let cuts = [of(&unpinned, &kenya.identity, 1), of(&unpinned, &kenya.identity, 2)];
    let larger = two_cuts("of two cuts by rivals the larger counts", cuts);
    let cuts = [of(&unpinned, &kenya.identity, 2), elsewhere(&of(&unpinned, &kenya.identity, 2))];
    let roots = two_cuts("of two roots by rivals at one size the greater counts", cuts);
    let cuts = [elsewhere(&of(&unpinned, &kenya.identity, 1)), of(&unpinned, &kenya.identity, 2)];
    let smaller = two_cuts("a rival's smaller cut is on a branch that nobody has", cuts);

    // Only one line lists Japan; the other must not weaken what that allows.
    let mut joined = Tale::founded("a member that only one rival lists", 3);
    let (japan, first) = (crate::world::parliaments(4).remove(3), joined.first());
    let line = listed("JP-LC01", true, &japan.identity, &japan.successor);
    joined.agree(&first, &[0, 1, 2], Vec::new(), |members| members.insert(1, line));
    joined.agree(&first, &[0, 1, 2], Vec::new(), renames("Eduskunta"));
    joined.write(&japan.identity, japan.governance_open());
    joined.delegate(&japan.identity, &japan.desk);
    joined.open_desk("JP-LC01", &japan.identity, &japan.desk, 2);
    let mut retired = joined.clone();
    retired.name = "a member that only one rival lists revokes its desk".to_owned();
    let cut = retired.cut(&japan.desk, 2);
    retired.revoke(&japan.identity, &cut);

    // In one line a key is an identity key, in the other a desk may be.
    let mut desk = Tale::founded("a key that is listed by one rival and a desk in the other", 3);
    let line = listed("JP-LC01", false, &key(90), &key(91));
    desk.agree(&first, &[0, 1, 2], Vec::new(), |members| members.insert(1, line));
    desk.agree(&first, &[0, 1, 2], Vec::new(), renames("Eduskunta"));
    desk.write(&kenya.identity, delegates(&key(90)));
    desk.open_desk("KE-LC01", &kenya.identity, &key(90), 2);
    let mut three = Tale::founded("three rivals", 3);
    for name in ["One", "Two", "Three"] {
        three.agree(&first, &[0, 1, 2], Vec::new(), renames(name));
    }
    three.write(&kenya.identity, delegates_as(&key(92), "Press"));
    tales.extend([unpinned, unknown, after, pinned, descendant, larger, roots, smaller, joined, retired, desk, three]);
    tales
}
