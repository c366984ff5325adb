//! Each step of an approval, on a real database.

use std::sync::Arc;

use contract::Proof;
use serde_json::json;

use super::*;

fn call(level: Approval, text: &str, lives: i64) -> StoredCall {
    StoredCall {
        arguments: json!({"text": text, "reason": "because it must be"}),
        created: now(),
        expires: now() + lives,
        identity: "user:ann".into(),
        level,
        nonce: "n".into(),
        policy: "p".into(),
        preview: Preview { title: "Say it".into(), ..Preview::default() },
        requester: "ann".into(),
        server: "test".into(),
        target: ("file".into(), Some("commits".into())),
        tool: "test_commit".into(),
        tool_digest: "d".into(),
    }
}

fn by(subject: &str, yes: bool) -> Decision {
    Decision {
        subject: subject.into(),
        identity: Identity::new(format!("key:{subject}"), Proof::ApiKey { key: subject.into() }),
        yes,
        reason: "looked at it".into(),
        time: 0,
    }
}

async fn asked(store: &Store, call: StoredCall) -> Stored {
    match store.ask(call).await.expect("asked") {
        Asked::New(stored) | Asked::Existing(stored) => *stored,
        Asked::TooMany => panic!("too many"),
    }
}

async fn check(
    level: Approval,
    decisions: &[(&str, bool)],
    last: Result<State, Refused>,
) -> (tempfile::TempDir, Store, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::new(folder.path());
    let id = asked(&store, call(level, "x", 60_000)).await.id;
    let mut came = Err(Refused::Unknown);
    for (subject, yes) in decisions {
        came = store.decide(&id, &by(subject, *yes)).await.expect("an answer");
    }
    assert_eq!(came.map(|stored| stored.state), last, "{level} {decisions:?}");
    (folder, store, id)
}

#[tokio::test]
async fn each_level_asks_for_the_people_it_names() {
    check(Approval::Confirm, &[("ann", true)], Ok(State::Approved)).await;
    check(Approval::Confirm, &[("bob", true)], Ok(State::Approved)).await;
    check(Approval::One, &[("bob", true)], Ok(State::Approved)).await;
    check(Approval::One, &[("ann", true)], Err(Refused::OwnCall)).await;
    check(Approval::Two, &[("bob", true)], Ok(State::Pending)).await;
    check(Approval::Two, &[("bob", true), ("bob", true)], Err(Refused::Twice)).await;
    check(Approval::Two, &[("bob", true), ("ann", true)], Err(Refused::OwnCall)).await;
    check(Approval::Two, &[("bob", true), ("cy", true)], Ok(State::Approved)).await;
    check(Approval::Two, &[("bob", true), ("cy", false)], Ok(State::Denied)).await;
    check(Approval::One, &[("ann", false)], Ok(State::Denied)).await;
    let late = Err(Refused::NotPending(State::Denied));
    check(Approval::One, &[("bob", false), ("cy", true)], late).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_at_a_time_redeem_once() {
    let (folder, _, id) = check(Approval::One, &[("bob", true)], Ok(State::Approved)).await;
    // Each with a connection of its own, as processes have them.
    let stores: Vec<_> = (0..50).map(|_| Arc::new(Store::new(folder.path()))).collect();
    let tasks: Vec<_> = stores
        .into_iter()
        .enumerate()
        .map(|(number, store)| {
            let id = id.clone();
            tokio::spawn(async move { store.redeem(&id, &number.to_string()).await })
        })
        .collect();
    let mut won = 0;
    for task in tasks {
        won += usize::from(task.await.expect("ran").expect("an answer"));
    }
    assert_eq!(won, 1);
}

#[tokio::test]
async fn what_was_not_approved_is_never_redeemed() {
    let (_folder, store, id) = check(Approval::Two, &[("bob", true)], Ok(State::Pending)).await;
    assert!(!store.redeem(&id, "c").await.expect("an answer"));
    store.decide(&id, &by("cy", true)).await.expect("an answer").expect("counts");
    assert!(store.void(&id, "the policy changed").await.expect("void"));
    assert!(!store.redeem(&id, "c").await.expect("an answer"));
}

#[tokio::test]
async fn the_same_call_has_one_approval_until_it_failed() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::new(folder.path());
    let first = asked(&store, call(Approval::One, "x", 60_000)).await;
    let again = StoredCall { nonce: "other".into(), ..call(Approval::One, "x", 60_000) };
    assert_eq!(asked(&store, again.clone()).await.id, first.id);
    assert_ne!(asked(&store, call(Approval::One, "y", 60_000)).await.id, first.id);
    store.decide(&first.id, &by("bob", true)).await.expect("an answer").expect("counts");
    assert!(store.redeem(&first.id, "c1").await.expect("redeemed"));
    store.conclude(&first.id, State::Failed, "it broke").await.expect("concluded");
    assert_ne!(asked(&store, again).await.id, first.id, "a failed call is asked for anew");
}

#[tokio::test]
async fn an_approval_ends_with_its_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::new(folder.path());
    let over = asked(&store, call(Approval::One, "x", -1)).await;
    let decided = store.decide(&over.id, &by("bob", true)).await.expect("an answer");
    assert_eq!(decided, Err(Refused::Expired));
    let ended = store.expire().await.expect("ended");
    assert_eq!(ended.iter().map(|stored| stored.state).collect::<Vec<_>>(), [State::Expired]);
    assert!(store.expire().await.expect("ended").is_empty(), "it ends once");
}

#[tokio::test]
async fn a_changed_row_is_found_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::new(folder.path());
    let stored = asked(&store, call(Approval::One, "x", 60_000)).await;
    sqlx::query("UPDATE approvals SET stored = replace(stored, '\"x\"', '\"z\"')")
        .execute(store.pool().await.expect("a pool"))
        .await
        .expect("changed");
    let error = store.approvals_like(&stored.id[..8]).await.expect_err("changed");
    assert!(error.to_string().contains("not what was asked for"), "{error}");
    let other = asked(&store, call(Approval::One, "y", 60_000)).await;
    let listed = store.approvals(true, 10).await.expect("the others");
    assert_eq!(listed.iter().map(|stored| &stored.id).collect::<Vec<_>>(), [&other.id]);
}

#[tokio::test]
async fn a_requester_cannot_flood_the_approvers() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::new(folder.path());
    for number in 0..MOST_WAITING {
        asked(&store, call(Approval::One, &number.to_string(), 600_000)).await;
    }
    let more = store.ask(call(Approval::One, "more", 600_000)).await.expect("an answer");
    assert_eq!(more, Asked::TooMany);
    assert_eq!(store.approvals(true, 5_000).await.expect("a list").len(), 1_000);
}
