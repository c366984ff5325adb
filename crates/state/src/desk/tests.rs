//! Drafts and the journal, on a real database.

use serde_json::json;

use super::journal::{Begun, Step};
use super::*;

const DAY: i64 = 86_400_000;

fn desk() -> (tempfile::TempDir, Desk) {
    let folder = tempfile::tempdir().expect("a folder");
    let desk = Desk::new(folder.path());
    (folder, desk)
}

async fn drafted(desk: &Desk, owner: &str) -> Draft {
    desk.draft(owner, ("web", "ticket"), &json!({"title": "a"}), DAY).await.expect("a draft")
}

async fn begun(desk: &Desk, draft: &Draft) -> journal::Entry {
    match desk.begin(draft, "d", None).await.expect("an answer") {
        Begun::Ours(entry) => entry,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_draft_is_its_owners_and_each_change_is_a_revision() {
    let (_folder, desk) = desk();
    let first = drafted(&desk, "ann").await;
    assert!(first.id.starts_with("web-") && first.marker.len() == 32, "{first:?}");
    assert_eq!(Draft::parse(&first.name()), Some((first.id.as_str(), 1)));
    let second = desk.revise(&first, &json!({"title": "b"})).await.expect("revised");
    assert_eq!((second.revision, &second.marker), (2, &first.marker));
    let stale = desk.revise(&first, &json!({})).await;
    assert!(matches!(stale, Err(Unkept::Changed(2))), "{stale:?}");
    assert_eq!(desk.find("bob", &first.id).await.expect("an answer"), None);
    let theirs = Draft { owner: "bob".to_owned(), ..second.clone() };
    assert!(matches!(desk.revise(&theirs, &json!({})).await, Err(Unkept::Unknown)));
    assert_eq!(desk.drafts("ann", 10).await.expect("drafts"), [second]);
    for bad in ["web-1", "web-1.", "web-1.x", "web-1.+1", ".", ""] {
        assert_eq!(Draft::parse(bad), None, "{bad}");
    }
}

#[tokio::test]
async fn a_name_means_the_newest_revision_of_the_owners_draft() {
    let (_folder, desk) = desk();
    let first = drafted(&desk, "ann").await;
    let second = desk.revise(&first, &json!({"title": "b"})).await.expect("revised");
    for name in [&second.name(), &second.id] {
        assert_eq!(desk.named("ann", name, "t").await.expect(name), second);
    }
    let said = async |owner: &str, name: &str| {
        let error = desk.named(owner, name, "ticket_drafts").await.expect_err("not hers");
        assert_eq!(error.kind, contract::Kind::NotFound);
        error.message
    };
    let older = format!("that draft was changed: it is {} now.", second.name());
    assert_eq!(said("ann", &first.name()).await, older);
    for (owner, name) in [("bob", second.name()), ("ann", "web-1.1".to_owned())] {
        let unknown = format!("you have no draft `{name}`; ticket_drafts lists yours.");
        assert_eq!(said(owner, &name).await, unknown);
    }
    assert_eq!(Draft::target_in("a-b-4f2a9c.2"), Some("a-b"));
    assert_eq!(Draft::target_in("a-b-4f2a9c"), Some("a-b"));
    assert_eq!(Draft::target_in("web"), None);
}

#[tokio::test]
async fn drafts_are_bounded_and_the_oldest_make_room() {
    let (_folder, desk) = desk();
    let first = drafted(&desk, "ann").await;
    for _ in 0..MOST {
        drafted(&desk, "ann").await;
    }
    drafted(&desk, "bob").await;
    let kept = desk.drafts("ann", 500).await.expect("drafts");
    assert_eq!(kept.len(), usize::try_from(MOST).expect("it fits"));
    assert!(!kept.contains(&first), "the oldest made room");
    let kept = desk.draft("ann", ("web", "ticket"), &json!({}), -1).await.expect("room");
    assert_eq!(desk.drafts("ann", 500).await.expect("drafts"), [kept]);
}

#[tokio::test]
async fn of_a_draft_one_effect_at_most() {
    let (folder, desk) = desk();
    let draft = drafted(&desk, "ann").await;
    let entry = begun(&desk, &draft).await;
    assert!(desk.sending(&entry, 1_000).await.expect("an answer"));
    assert!(!desk.sending(&entry, 1_000).await.expect("an answer"), "taken once");
    // What a crash leaves behind.
    let desk = Desk::new(folder.path());
    let left = desk.begin(&draft, "d", None).await.expect("an answer");
    assert!(matches!(left, Begun::Earlier(ref left) if left.step == Step::Sending), "{left:?}");
    assert!(matches!(desk.revise(&draft, &json!({})).await, Err(Unkept::Sent)));
    desk.unknown(&entry, "no answer").await.expect("kept");
    desk.sent(&entry, "#1").await.expect("kept");
    desk.failed(&entry, "late").await.expect("an end is an end");
    let last = desk.last(&draft.id).await.expect("an answer").expect("an entry");
    assert_eq!((last.step, last.reference.as_deref()), (Step::Sent, Some("#1")));
    let again = desk.begin(&draft, "other", None).await.expect("an answer");
    assert_eq!(again, Begun::Earlier(last));
    desk.draft("ann", ("web", "ticket"), &json!({}), -1).await.expect("a draft");
    assert!(desk.find("ann", &draft.id).await.expect("an answer").is_some(), "it is the evidence");
}

#[tokio::test]
async fn what_never_left_may_be_approved_anew() {
    let (folder, desk) = desk();
    let draft = drafted(&desk, "ann").await;
    let entry = begun(&desk, &draft).await;
    // Approved, then a crash: nothing left, so the same may go on.
    let desk = Desk::new(folder.path());
    assert_eq!(begun(&desk, &draft).await, entry);
    // Or be changed, which is another approval.
    let revised = desk.revise(&draft, &json!({"title": "b"})).await.expect("revised");
    assert_eq!(desk.begin(&draft, "d", None).await.expect("an answer"), Begun::Ours(entry.clone()));
    let other = desk.begin(&revised, "e", None).await.expect("an answer");
    assert!(matches!(other, Begun::Ours(ref other) if other.id != entry.id), "{other:?}");
    assert!(!desk.sending(&entry, 1_000).await.expect("an answer"), "overtaken");
    let Begun::Ours(other) = other else { panic!("{other:?}") };
    desk.failed(&other, "refused").await.expect("kept");
    let stale = Draft { revision: 1, ..revised.clone() };
    assert_eq!(desk.begin(&stale, "d", None).await.expect("an answer"), Begun::Changed);
    assert!(matches!(desk.begin(&revised, "e", None).await, Ok(Begun::Ours(_))));
}

#[tokio::test]
async fn a_target_takes_so_many_a_day() {
    let (_folder, desk) = desk();
    let mut entries = Vec::new();
    for _ in 0..3 {
        let draft = drafted(&desk, "ann").await;
        entries.push(match desk.begin(&draft, "d", Some(2)).await.expect("an answer") {
            Begun::Ours(entry) => Some(entry),
            Begun::Full => None,
            other => panic!("{other:?}"),
        });
    }
    assert!(entries[1].is_some() && entries[2].is_none(), "{entries:?}");
    desk.failed(entries[0].as_ref().expect("an entry"), "refused").await.expect("kept");
    let draft = drafted(&desk, "bob").await;
    assert!(
        matches!(desk.begin(&draft, "d", Some(2)).await, Ok(Begun::Ours(_))),
        "what failed is free"
    );
}

#[tokio::test]
async fn fifty_at_a_time_are_one() {
    let (folder, desk) = desk();
    let draft = drafted(&desk, "ann").await;
    let tries = (0..50).map(|_| {
        let (desk, draft) = (Desk::new(folder.path()), draft.clone());
        tokio::spawn(async move {
            match desk.begin(&draft, "d", None).await.expect("an answer") {
                Begun::Ours(entry) => desk.sending(&entry, 1_000).await.expect("an answer"),
                _ => false,
            }
        })
    });
    let mut won = 0;
    for one in tries.collect::<Vec<_>>() {
        won += usize::from(one.await.expect("it ends"));
    }
    assert_eq!(won, 1);
}
