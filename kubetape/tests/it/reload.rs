//! SIGHUP exchanges the policy of a running program.

use storage::{Disk, Store};

use crate::program::{GOOD, Installation, Running};

/// All lines of the journal.
async fn journal(installation: &Installation) -> String {
    let disk = Disk::open_existing(installation.path("storage")).await.unwrap();
    let mut text = String::new();
    for object in disk.list("journal/", None, 1000).await.unwrap() {
        let lines = zstd::decode_all(&disk.read(&object.key, u64::MAX).await.unwrap()[..]).unwrap();
        text.push_str(&String::from_utf8(lines).unwrap());
    }
    text
}

#[tokio::test]
async fn a_hangup_exchanges_the_policy_and_a_bad_one_changes_nothing() {
    let installation = Installation::new(GOOD);
    let write = |rules: &str| {
        let config = GOOD.replace("name = \"everyone\"\nusers = [\"*\"]", rules);
        std::fs::write(installation.path("kubetape.toml"), config).unwrap();
    };
    let mut program = Running::start(installation.folder.path(), &["serve"]);
    program.wait_for("ready");
    program.signal("-HUP");
    program.wait_for_part("the policy is as it was");
    write("name = \"ada only\"\nusers = [\"ada\"]");
    program.signal("-HUP");
    program.wait_for_part("another policy is in use");
    write("name = \"nobody\"");
    program.signal("-HUP");
    program.wait_for_part("the policy is not exchanged");
    assert!(program.line("not exchanged").contains("nobody"), "{:#?}", program.said);
    assert_eq!(program.end(), Some(0));
    let journal = journal(&installation).await;
    let configured: Vec<_> = journal.lines().filter(|line| line.contains("\"configured\"")).collect();
    assert_eq!(configured.len(), 1, "{journal}");
    assert!(configured[0].contains("policy.rules.0.name") && !configured[0].contains("ada"), "{journal}");

    // The next start has nothing new to tell of the policy that was exchanged.
    write("name = \"ada only\"\nusers = [\"ada\"]");
    let mut program = Running::start(installation.folder.path(), &["serve"]);
    program.wait_for("ready");
    assert_eq!(program.end(), Some(0));
    assert_eq!(self::journal(&installation).await.matches("\"configured\"").count(), 1);
}
