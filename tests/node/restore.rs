//! An old backup comes back: the fence keeps it from writing what was written before, until a person takes the blame.

use crate::federation::{Federation, wait_for_documents};

fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for item in std::fs::read_dir(from).unwrap().flatten() {
        let target = to.join(item.file_name());
        if item.path().is_dir() {
            copy(&item.path(), &target);
        } else {
            std::fs::copy(item.path(), target).unwrap();
        }
    }
}

#[test]
fn a_restored_folder_reads_and_does_not_write_until_the_operator_says_so() {
    let federation = Federation::found(&["FI", "KE-LC01"]);
    federation.publish("FI", "before", "In the backup.");
    let (folder, backup) = (federation.folder("FI"), federation.folder("backup"));
    copy(&folder, &backup);
    let kenya = federation.start("KE-LC01", &[]);
    let finland = federation.start("FI", &[&kenya]);
    federation.publish("FI", "after", "Not in the backup.");
    wait_for_documents(&[&finland, &kenya], 2);
    finland.stop();
    std::fs::remove_dir_all(&folder).unwrap();
    copy(&backup, &folder);

    let finland = federation.start("FI", &[&kenya]);
    let file = federation.note("fork", "This would be entry 2 a second time.");
    let (code, words) = federation.refused(&["publish", "--data", &federation.path("FI"), &file]);
    assert_eq!(code, 1);
    assert!(words.contains("may not write") && words.contains("--override-fence"), "{words}");
    // Read-only, it takes back from its peers what the backup lacks.
    wait_for_documents(&[&finland, &kenya], 2);
    finland.stop();
    let finland = federation.start_with(
        "FI",
        &["--override-fence", "--listen", "/ip4/127.0.0.1/tcp/0"],
        &[kenya.listen[0].clone()],
    );
    assert_eq!(federation.publish("FI", "fork", "On top of everything."), "FI/fork@1\n");
    wait_for_documents(&[&finland, &kenya], 3);
    federation.audit_all(&["FI", "KE-LC01"]);
}
